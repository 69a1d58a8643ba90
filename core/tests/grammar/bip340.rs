use dvmdash_core::admission::signature_is_valid;
use dvmdash_core::{Hex32, Signature};

use crate::data;

#[test]
fn official_signature_vectors_are_judged_as_they_say() {
    let Some(csv) = data::text("vectors/bip340/test-vectors.csv") else {
        return;
    };
    let (mut checked, mut skipped) = (0, 0);
    for line in csv.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let bytes = |cell: usize| hex::decode(cells[cell]).expect("hex");
        let (Ok(pubkey), Ok(message), Ok(sig)) = (
            <[u8; 32]>::try_from(bytes(2)),
            <[u8; 32]>::try_from(bytes(4)),
            <[u8; 64]>::try_from(bytes(5)),
        ) else {
            // An event id always has 32 bytes.
            skipped += 1;
            continue;
        };
        let valid = signature_is_valid(&Hex32(message), &Hex32(pubkey), &Signature(sig));
        assert_eq!(
            valid,
            cells[6] == "TRUE",
            "vector {}: {}",
            cells[0],
            cells[7]
        );
        checked += 1;
    }
    eprintln!("{checked} vectors checked, {skipped} with messages of other sizes skipped");
    assert!(checked >= 15);
}
