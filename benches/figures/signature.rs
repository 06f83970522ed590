//! What one ES256 signature costs, without anything around it.

use std::hint::black_box;
use std::io::Write;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
use aws_lc_rs::signature::EcdsaKeyPair;

use crate::machine;

/// By which the bench's own program knows that it is to sign.
pub const ARGUMENT: &str = "--sign";

const WITHIN: Duration = Duration::from_secs(1);
/// The length of what is signed of an access token.
const MESSAGE: [u8; 500] = [b'x'; 500];

/// On the core of what is measured.
pub fn measure() -> anyhow::Result<Duration> {
    let answer = machine::measured(&std::env::current_exe()?).arg(ARGUMENT).output()?;
    let nanoseconds = String::from_utf8(answer.stdout)?.trim().parse().context("measuring a signature")?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// The child itself.
pub fn run() -> anyhow::Result<()> {
    let random = SystemRandom::new();
    let signing = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let pair = EcdsaKeyPair::from_pkcs8(signing, EcdsaKeyPair::generate_pkcs8(signing, &random)?.as_ref())?;
    let began = Instant::now();
    let mut count = 0_u32;
    while began.elapsed() < WITHIN {
        black_box(pair.sign(&random, black_box(&MESSAGE))?);
        count += 1;
    }
    writeln!(std::io::stdout(), "{}", (began.elapsed() / count).as_nanos())?;
    Ok(())
}
