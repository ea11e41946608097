//! What the tests share.

#[cfg(all(feature = "e2e", target_os = "linux"))]
pub mod drag;
#[cfg(target_os = "linux")]
pub mod keyring;
#[cfg(all(feature = "e2e", target_os = "linux"))]
pub mod panel;
pub mod proxy;
pub mod system;
pub mod vectors;
#[cfg(all(feature = "e2e", target_os = "linux"))]
pub mod window;
