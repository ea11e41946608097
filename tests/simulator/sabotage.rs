//! What is broken in the modelled world, to see that an invariant notices.

/// A break in the modelled world that some invariant must catch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Polls are answered from what the master has not synced yet.
    AnswersBeforeSync,
    /// A write is acknowledged before it is synced.
    AcknowledgesBeforeSync,
    /// A node asks from what it has not synced yet.
    AsksBeforeSync,
    /// A held poll is answered without looking at the registry again.
    AdmitsOnce,
    /// Repeated writes are written again.
    WritesRepeats,
    /// A delta comes in several transactions, and the first moves `at`.
    MovesEarly,
    /// What was seen is not written.
    ForgetsSeen,
    /// Rows come before the secret that opens them.
    SecretLast,
    /// A node that restarts has no secret.
    NoCache,
    /// A node does not look at the counts.
    NoCounts,
    /// Some deltas lack a row.
    LosesRows,
    /// The master does not look at the history that a node comes from.
    AnyHistory,
    /// A retry does not come.
    GivesUp,
    /// Sealing goes on for as long as there is a secret.
    SealsAlways,
    /// A node opens only while it is in contact, as the original after a restart.
    OpensInContact,
    /// A node starts a second poll while it takes over the answer to the first.
    PollsTwice,
    /// A master takes a write without a lock: two that were checked together both count.
    ChecksBefore,
    /// Some rows reach the master's disk with a bit turned over.
    WritesWrongly,
    /// A node tells what it told.
    RepeatsItself,
    /// A node tells nothing.
    SaysNothing,
    /// A master hands over to who has not all of it.
    HandsOverEarly,
    /// What a new history lacks is not kept.
    LetsGo,
    /// A voter does not keep what it promised.
    ForgetsPromises,
    /// What is kept of a history that ended is forgotten when it was sent, not when the master has it.
    ForgetsSpool,
    /// A stranded change that was decided upon is taken again when another node brings it.
    TakesTwice,
    /// A node does not mind that its master's database was set back.
    SealsInDoubt,
    /// A rotation goes on without a backup of the new version.
    ActivatesUnproven,
    /// A version becomes active before nodes hold it.
    ActivatesAtOnce,
    /// What was sealed anew takes the place of whatever is there.
    ResealsBlindly,
    /// Sealing anew leaves no entry in the audit trail, by which nodes know a database that was put back.
    ResealsSilently,
    /// A version is retired without looking what is sealed under it.
    RetiresUncounted,
    /// A master that lacks the new version of a rotation makes another one, and backs it up.
    MakesAnother,
    /// A backup takes the place of what a node holds, newer versions too.
    DropsNewer,
    /// A backup of another system makes a node the master.
    TakesAnyBackup,
}

/// Every sabotage with the invariants that may catch it, the first one in time does.
pub const SABOTAGES: &[(Sabotage, &[&str])] = &[
    (Sabotage::AnswersBeforeSync, &["i14_no_false_alarm", "replica_is_whole", "i13_never_silently"]),
    (Sabotage::AcknowledgesBeforeSync, &["nothing_acknowledged_is_lost", "i3_acknowledged_opens"]),
    (Sabotage::AsksBeforeSync, &["i6_standby_has_all", "replica_is_whole", "liveness"]),
    (Sabotage::AdmitsOnce, &["i10_revoked_gets_nothing"]),
    (Sabotage::WritesRepeats, &["applied_once"]),
    (Sabotage::MovesEarly, &["replica_is_whole", "liveness"]),
    (Sabotage::ForgetsSeen, &["i4_never_down"]),
    (Sabotage::SecretLast, &["i7_secret_comes_first"]),
    (Sabotage::NoCache, &["i4_never_down", "i7_opening_never_stops"]),
    (Sabotage::NoCounts, &["liveness"]),
    (Sabotage::LosesRows, &["replica_is_whole", "i14_no_false_alarm"]),
    (Sabotage::AnyHistory, &["i13_never_silently", "no_seal_in_doubt", "liveness"]),
    (Sabotage::GivesUp, &["liveness"]),
    (Sabotage::SealsAlways, &["i8_no_seal_after_a_loss"]),
    (Sabotage::OpensInContact, &["i7_opening_never_stops"]),
    (Sabotage::PollsTwice, &["one_poll_in_flight"]),
    (Sabotage::ChecksBefore, &["i1_one_writer", "applied_once"]),
    (Sabotage::WritesWrongly, &["i3_acknowledged_opens"]),
    (Sabotage::RepeatsItself, &["told_once"]),
    (Sabotage::SaysNothing, &["an_outage_is_told"]),
    (Sabotage::HandsOverEarly, &["a_hand_over_loses_nothing"]),
    (Sabotage::LetsGo, &["nothing_acknowledged_is_lost"]),
    (Sabotage::ForgetsPromises, &["one_master_in_an_epoch"]),
    (Sabotage::ForgetsSpool, &["nothing_acknowledged_is_lost"]),
    (Sabotage::TakesTwice, &["accepted_once"]),
    (Sabotage::SealsInDoubt, &["no_seal_in_doubt"]),
    (Sabotage::ActivatesUnproven, &["sealed_under_what_a_backup_holds"]),
    (Sabotage::ActivatesAtOnce, &["all_on_line_hold"]),
    (Sabotage::ResealsBlindly, &["rotation_changes_nothing"]),
    (Sabotage::ResealsSilently, &["i13_never_silently", "no_seal_in_doubt", "replica_is_whole", "liveness"]),
    (Sabotage::RetiresUncounted, &["retired_is_not_needed"]),
    (Sabotage::MakesAnother, &["one_secret_per_number"]),
    (Sabotage::DropsNewer, &["all_on_line_hold"]),
    (Sabotage::TakesAnyBackup, &["a_master_opens_all", "one_secret_per_number", "i7_opening_never_stops"]),
];
