//! A naive program that counts as METRICS says, sharing no code with the real one.
