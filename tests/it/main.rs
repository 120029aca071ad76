//! The program from outside: one binary, a file per theme.

mod replay;
