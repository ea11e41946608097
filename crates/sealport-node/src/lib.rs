//! The world of Sealport: store, custody, files, the local socket and the command line.
