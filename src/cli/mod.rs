//! The verbs, one file each: arguments in, a result on standard output and an exit status out.

pub mod check;
