//! Carries a twin's core over loopback TCP.
