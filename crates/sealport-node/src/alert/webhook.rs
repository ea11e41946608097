//! Alerts by webhook: JSON, signed with HMAC-SHA256, tried again with growing pauses. Its address may hold a token, so it
//! stands in no error and no log.

use std::{
    path::Path,
    sync::Weak,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hmac::{Hmac, KeyInit, Mac};
use sealport_core::{Code, Error, secret::SecretText};
use sha2::Sha256;
use tokio::sync::mpsc;

use super::Telling;
use crate::{config::Settings, engine::Engine, files};

/// Name of the header with time and signature.
pub const SIGNATURE: &str = "sealport-signature";
/// Alerts that wait; more are dropped, and the sink says so.
pub const QUEUE: usize = 64;
/// How long one try may take.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// Tries of one alert: with the pauses between them about four minutes.
const TRIES: u32 = 10;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The header of a body: `t=SECONDS,v1=HEX`, where HEX is HMAC-SHA256 over `SECONDS.BODY`.
pub fn derive_signature(key: &[u8], seconds: u64, body: &[u8]) -> String {
    // HMAC takes keys of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes any key");
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={hex}")
}

/// Sends an alert once.
///
/// # Errors
/// `unavailable`: not reached, late, or not taken (anything but a 2xx answer). What the key file does not give is one too:
/// nothing is ever sent without the signature that was asked for.
pub async fn post(settings: &Settings, telling: &Telling) -> Result<(), Error> {
    let Some(url) = &settings.webhook else {
        return Err(Error::new(Code::Unavailable, "No webhook is set."));
    };
    let body = serde_json::to_vec(telling)
        .map_err(|e| Error::new(Code::Internal, "An alert could not be written as JSON.").because(e))?;
    let mut request = client()?.post(url).header("content-type", "application/json");
    if let Some(file) = &settings.webhook_key_file {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // The key is opened to sign with it.
        request =
            request.header(SIGNATURE, derive_signature(read_key(file)?.expose().as_bytes(), seconds, &body));
    }
    let answer = request.body(body).send().await.map_err(|cause| {
        let what = if cause.is_timeout() { "did not answer in time" } else { "can't be reached" };
        Error::new(Code::Unavailable, format!("The webhook {what}."))
            .hint("Check the address with `sealport config get webhook`.")
    })?;
    if answer.status().is_success() {
        return Ok(());
    }
    Err(Error::new(Code::Unavailable, format!("The webhook answered {}.", answer.status().as_u16()))
        .hint("Look at the log of what answers there."))
}

/// Delivers what comes, one after the other. Ends with the service.
pub(super) async fn deliver(engine: Weak<Engine>, mut inbox: mpsc::Receiver<Telling>) {
    while let Some(telling) = inbox.recv().await {
        let mut pause = FIRST_PAUSE;
        for last in (0..TRIES).rev() {
            let Some(strong) = engine.upgrade() else { return };
            let settings = strong.settings();
            drop(strong);
            let result = match settings {
                // Turned off meanwhile.
                Ok(settings) if settings.webhook.is_none() => break,
                Ok(settings) => post(&settings, &telling).await,
                Err(error) => Err(error),
            };
            let Some(strong) = engine.upgrade() else { return };
            strong.delivered("webhook", &result);
            drop(strong);
            if result.is_ok() || last == 0 {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

fn client() -> Result<reqwest::Client, Error> {
    // Refused where one is there already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(DEADLINE)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("Sealport/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| Error::new(Code::Unavailable, "The webhook client can't be set up.").because(e))
}

fn read_key(file: &Path) -> Result<SecretText, Error> {
    let text = files::read_limited(file, 4_096)?;
    let text = std::str::from_utf8(&text).unwrap_or_default();
    let key = text.lines().next().unwrap_or_default().trim();
    if key.is_empty() {
        return Err(Error::new(Code::Unavailable, "The key file of the webhook has an empty first line.")
            .hint("Write the key on the first line of the file."));
    }
    Ok(SecretText::new(key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231 has no vector with a time in front, so this one comes from `openssl dgst -sha256 -hmac`.
    /// Sabotage: leave the time out of what is signed.
    #[test]
    fn the_signature_is_what_any_hmac_tool_computes() {
        let signed = derive_signature(b"key", 1_700_000_000, b"{}");
        assert_eq!(
            signed,
            "t=1700000000,v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
        );
    }
}
