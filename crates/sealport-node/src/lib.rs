//! The world of Sealport: store, custody, files, the local socket and the command line.

pub mod alert;
pub mod backup;
pub mod call;
pub mod cli;
pub mod clock;
pub mod config;
pub mod custody;
pub mod door;
pub mod engine;
pub mod files;
pub mod fill;
pub mod life;
pub mod local;
pub mod lock;
pub mod membership;
pub mod meter;
pub mod net;
pub mod run;
pub mod service;
pub mod store;
