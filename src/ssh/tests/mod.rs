//! Tests over a wire: an in-process server, a real sshd, real login shells.
