//! Sats: amounts asked for, and zap receipts (NIP-57) with BOLT 11 invoices.

use std::time::Duration;

use lightning_invoice::{Currency, InvoiceBuilder, PaymentSecret};
use secp256k1::SECP256K1;

use crate::Simulator;
use crate::people::{Person, Role};
use crate::sign::{Event, Tags, sign};
use crate::texts::relays;

/// Every fourth amount is one of these: odd ways to write one, then what is no amount at all.
const ODD_AMOUNTS: [&str; 12] = [
    "100_000",
    "21,000",
    "1 000",
    "0",
    "-1000",
    "someone@wallet.example.com",
    "1.5",
    "",
    "free",
    "1000000000001",
    "340282366920938463463374607431768211456",
    "00000000000000000000000000000000000000001000",
];

/// What may be wrong with a receipt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    /// Not wrong: BOLT 11 may be written in upper case.
    UpperCase,
    MixedCase,
    Checksum,
    Testnet,
    NoAmount,
    /// The zap request asks for another amount than the invoice.
    Mismatch,
    /// The zap request's signature is another event's.
    Signature,
    TwoRecipients,
    OtherRecipient,
    /// `description` is no JSON.
    Description,
}

const FLAWS: [Flaw; 10] = [
    Flaw::UpperCase,
    Flaw::MixedCase,
    Flaw::Checksum,
    Flaw::Testnet,
    Flaw::NoAmount,
    Flaw::Mismatch,
    Flaw::Signature,
    Flaw::TwoRecipients,
    Flaw::OtherRecipient,
    Flaw::Description,
];

/// Who pays whom, and for what.
struct Payment<'a> {
    at: i64,
    recipient: &'a str,
    /// The event paid for: a request, a result, a note.
    about: Option<&'a str>,
    msat: u64,
}

impl Simulator {
    /// The value of an `amount` tag: mostly whole sats in msat.
    pub(crate) fn amount(&mut self) -> String {
        self.turns.amount += 1;
        if self.turns.amount % 4 == 2 {
            return ODD_AMOUNTS[self.turns.amount / 4 % ODD_AMOUNTS.len()].to_owned();
        }
        (self.rng.pick(&[1u64, 5, 10, 21, 50, 100, 210, 500, 1000]) * 1000).to_string()
    }

    /// Somebody tips a DVM, for nothing in particular or for a note of theirs.
    pub(crate) fn tip(&mut self, now: i64) {
        let dvm = self.rng.zipf_half(self.config.dvms);
        let user = self.rng.zipf_two_thirds(self.config.users);
        let note = self.rng.chance(0.3).then(|| self.rng.hex32());
        let msat = self.rng.pick(&[21_000, 100_000, 1_000_000, 5_000_000]);
        self.pay(now, dvm, user, note.as_deref(), msat);
    }

    /// A zap receipt for a payment to a DVM at `at`; some flawed, some published twice.
    pub(crate) fn pay(&mut self, at: i64, dvm: usize, user: usize, about: Option<&str>, msat: u64) {
        let dvm = self.people.get(Role::Dvm, dvm);
        let user = self.people.get(Role::User, user);
        let payment = Payment {
            at,
            recipient: &dvm.pubkey,
            about,
            msat,
        };
        let flaw = if self.rng.chance(0.2) {
            self.turns.receipt += 1;
            FLAWS[self.turns.receipt % FLAWS.len()]
        } else {
            Flaw::None
        };
        let zap_request = self.zap_request(&payment, &user, flaw);
        let invoice = self.invoice(&payment, flaw);
        let wallet = self.rng.below(3) as usize;
        let receipt = self.receipt(&payment, wallet, &user, &zap_request, &invoice, flaw);
        self.deliver(receipt, at);
        if self.rng.chance(0.15) {
            // The same payment hash, reported once more.
            let payment = Payment {
                at: at + self.rng.seconds(0, 30),
                ..payment
            };
            let receipt = self.receipt(&payment, wallet + 1, &user, &zap_request, &invoice, flaw);
            self.deliver(receipt, at + 30);
        }
    }

    /// The JSON of a kind 9734.
    fn zap_request(&mut self, payment: &Payment, user: &Person, flaw: Flaw) -> String {
        let mut tags = Tags::new();
        tags.add(&["p", payment.recipient]);
        if flaw == Flaw::TwoRecipients {
            tags.add(&["p", &self.rng.hex32()]);
        }
        if let Some(id) = payment.about {
            tags.add(&["e", id]);
        }
        if flaw == Flaw::Mismatch {
            tags.add(&["amount", &(payment.msat + 1000).to_string()]);
        } else if self.rng.chance(0.8) {
            tags.add(&["amount", &payment.msat.to_string()]);
        }
        tags.add(&relays(&mut self.rng, 3));
        let signed = sign(user, payment.at - 2, 9734, &tags, "");
        match flaw {
            Flaw::Signature => {
                let other = sign(user, payment.at - 3, 9734, &tags, "");
                let (_, signature) = other.json.split_at(other.json.len() - 130);
                format!("{}{signature}", &signed.json[..signed.json.len() - 130])
            }
            Flaw::Description => "thank you!".to_owned(),
            _ => signed.json,
        }
    }

    /// A BOLT 11 invoice, signed by the wallet's node.
    fn invoice(&mut self, payment: &Payment, flaw: Flaw) -> String {
        let node = self.people.get(Role::Wallet, 0);
        let currency = if flaw == Flaw::Testnet {
            Currency::BitcoinTestnet
        } else {
            Currency::Bitcoin
        };
        let mut invoice = InvoiceBuilder::new(currency);
        if flaw != Flaw::NoAmount {
            invoice = invoice.amount_milli_satoshis(payment.msat);
        }
        let mut secret = [0; 32];
        secret[..8].copy_from_slice(&self.rng.next().to_be_bytes());
        let invoice = invoice
            .description("zap".to_owned())
            .payment_hash(self.rng.hex32().parse().expect("64 hex digits are a hash"))
            .duration_since_epoch(Duration::from_secs(
                payment.at.clamp(0, (1 << 35) - 1) as u64
            ))
            .min_final_cltv_expiry_delta(144)
            .payment_secret(PaymentSecret(secret))
            .build_signed(|hash| SECP256K1.sign_ecdsa_recoverable(hash, &node.keypair.secret_key()))
            .expect("amounts and times are within what an invoice can hold")
            .to_string();
        match flaw {
            Flaw::UpperCase => invoice.to_uppercase(),
            Flaw::MixedCase => invoice.replacen("lnbc", "LNbc", 1),
            Flaw::Checksum => {
                let end = if invoice.ends_with('q') { "p" } else { "q" };
                format!("{}{end}", &invoice[..invoice.len() - 1])
            }
            _ => invoice,
        }
    }

    fn receipt(
        &mut self,
        payment: &Payment,
        wallet: usize,
        user: &Person,
        zap: &str,
        invoice: &str,
        flaw: Flaw,
    ) -> Event {
        let mut tags = Tags::new();
        if flaw == Flaw::OtherRecipient {
            tags.add(&["p", &self.rng.hex32()]);
        } else {
            tags.add(&["p", payment.recipient]);
        }
        if let Some(id) = payment.about {
            tags.add(&["e", id]);
        }
        tags.add(&["P", &user.pubkey])
            .add(&["bolt11", invoice])
            .add(&["description", zap]);
        tags.add(&["preimage", &self.rng.hex32()]);
        sign(
            &self.people.get(Role::Wallet, wallet),
            payment.at,
            9735,
            &tags,
            "",
        )
    }
}
