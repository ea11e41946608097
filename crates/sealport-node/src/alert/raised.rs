//! What was raised before, compared with what is so now.

use std::collections::BTreeMap;

use sealport_core::api::{AlertView, NodeState, Severity};

use super::Happened;

/// The alerts that were told and have not ended.
#[derive(Default)]
pub struct Raised(BTreeMap<String, AlertView>);

impl Raised {
    /// What is to be told now that `present` is so: each raise and each end once. An alert that got worse is told again;
    /// one whose words alone changed, as an age does, is not.
    pub fn compare(&mut self, present: &[AlertView], state: NodeState) -> Vec<(Happened, AlertView)> {
        let mut told = Vec::new();
        let gone = |id: &str| !present.iter().any(|alert| alert.id == id);
        let ended: Vec<_> = self.0.keys().filter(|id| gone(id)).cloned().collect();
        for id in ended {
            let Some(alert) = self.0.remove(&id) else { continue };
            let back = id == "master_unreachable" && state == NodeState::Synced;
            told.push((Happened::Ended, alert));
            if back {
                told.push((Happened::Raised, restored()));
            }
        }
        for alert in present {
            let before = self.0.insert(alert.id.clone(), alert.clone());
            if before.is_none_or(|before| rank(before.severity) < rank(alert.severity)) {
                told.push((Happened::Raised, alert.clone()));
            }
        }
        told
    }
}

/// Told once when a master is back; never among what is raised, since nothing is left to do.
fn restored() -> AlertView {
    AlertView {
        id: "master_restored".to_owned(),
        severity: Severity::Info,
        message: "The master answers again. Sealing works.".to_owned(),
        hint: "Nothing has to be done.".to_owned(),
        since: Some(crate::clock::wall()),
    }
}

fn rank(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 0,
        Severity::Warning => 1,
        Severity::Critical => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(id: &str, severity: Severity, message: &str) -> AlertView {
        AlertView {
            id: id.to_owned(),
            severity,
            message: message.to_owned(),
            hint: String::new(),
            since: None,
        }
    }

    fn told(raised: &mut Raised, present: &[AlertView], state: NodeState) -> Vec<(Happened, String)> {
        raised.compare(present, state).into_iter().map(|(happened, alert)| (happened, alert.id)).collect()
    }

    /// Sabotage: leave out `self.0.remove`, or tell of every alert that is present.
    #[test]
    fn each_raise_and_each_end_is_told_once() {
        let mut raised = Raised::default();
        let away = |age: u32| alert("master_unreachable", Severity::Critical, &format!("{age} s"));
        let first = told(&mut raised, &[away(1)], NodeState::Degraded);
        assert_eq!(first, [(Happened::Raised, "master_unreachable".to_owned())]);
        assert!(told(&mut raised, &[away(2)], NodeState::Degraded).is_empty());
        let ends = told(&mut raised, &[], NodeState::Synced);
        assert_eq!(
            ends,
            [
                (Happened::Ended, "master_unreachable".to_owned()),
                (Happened::Raised, "master_restored".to_owned())
            ]
        );
        assert!(told(&mut raised, &[], NodeState::Synced).is_empty());
    }

    /// Sabotage: look at the id alone.
    #[test]
    fn what_gets_worse_is_told_again_and_a_master_is_not_back_when_the_node_is_shut_out() {
        let mut raised = Raised::default();
        let disk = |severity| alert("disk_nearly_full", severity, "");
        assert_eq!(told(&mut raised, &[disk(Severity::Warning)], NodeState::Synced).len(), 1);
        assert_eq!(told(&mut raised, &[disk(Severity::Critical)], NodeState::Synced).len(), 1);
        assert!(told(&mut raised, &[disk(Severity::Warning)], NodeState::Synced).is_empty());
        let away = alert("master_unreachable", Severity::Critical, "");
        told(&mut raised, &[away], NodeState::Degraded);
        let out = told(&mut raised, &[], NodeState::Fenced);
        assert!(out.iter().all(|(happened, _)| *happened == Happened::Ended), "{out:?}");
    }
}
