//! Requests, responses, receipts and payments.

use anyhow::Result;
use dvmdash_core::fold::{Deltas, Payment, Tie};
use dvmdash_core::{Answer, Receipt, Request, Response};

use super::{array_literal, column};
use crate::turn::Transaction;

pub(super) async fn requests(transaction: &mut Transaction, requests: &[Request]) -> Result<()> {
    if requests.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../sql/insert_requests.sql"))
        .bind(column(requests.iter().map(|request| &request.id)))
        .bind(column(requests.iter().map(|request| &request.customer)))
        .bind(
            requests
                .iter()
                .map(|request| i32::from(request.kind))
                .collect::<Vec<_>>(),
        )
        .bind(
            requests
                .iter()
                .map(|request| request.created_at)
                .collect::<Vec<_>>(),
        )
        .bind(
            requests
                .iter()
                .map(|request| array_literal(&request.named))
                .collect::<Vec<_>>(),
        )
        .bind(
            requests
                .iter()
                .map(|request| request.expiration)
                .collect::<Vec<_>>(),
        )
        .bind(
            requests
                .iter()
                .map(|request| array_literal(&request.after_jobs))
                .collect::<Vec<_>>(),
        )
        .bind(
            requests
                .iter()
                .map(|request| array_literal(&request.after_events))
                .collect::<Vec<_>>(),
        )
        .bind(
            requests
                .iter()
                .map(|request| request.seen_live)
                .collect::<Vec<_>>(),
        )
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

pub(super) async fn responses(transaction: &mut Transaction, responses: &[Response]) -> Result<()> {
    if responses.is_empty() {
        return Ok(());
    }
    let result_kind = |response: &Response| match response.answer {
        Answer::Result(kind) => Some(i32::from(kind)),
        Answer::Feedback(_) => None,
    };
    let status = |response: &Response| match response.answer {
        Answer::Result(_) => None,
        Answer::Feedback(status) => Some(status as i16),
    };
    sqlx::query(include_str!("../sql/insert_responses.sql"))
        .bind(column(responses.iter().map(|response| &response.id)))
        .bind(column(responses.iter().map(|response| &response.dvm)))
        .bind(
            responses
                .iter()
                .map(|response| response.job.as_ref().map(|job| &job.0[..]))
                .collect::<Vec<_>>(),
        )
        .bind(
            responses
                .iter()
                .map(|response| response.created_at)
                .collect::<Vec<_>>(),
        )
        .bind(responses.iter().map(result_kind).collect::<Vec<_>>())
        .bind(responses.iter().map(status).collect::<Vec<_>>())
        .bind(
            responses
                .iter()
                .map(|response| response.amount_msat)
                .collect::<Vec<_>>(),
        )
        .bind(
            responses
                .iter()
                .map(|response| response.seen_live)
                .collect::<Vec<_>>(),
        )
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

pub(super) async fn receipts(transaction: &mut Transaction, receipts: &[Receipt]) -> Result<()> {
    if receipts.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../sql/insert_receipts.sql"))
        .bind(column(receipts.iter().map(|receipt| &receipt.id)))
        .bind(column(receipts.iter().map(|receipt| &receipt.payment_hash)))
        .bind(
            receipts
                .iter()
                .map(|receipt| receipt.created_at)
                .collect::<Vec<_>>(),
        )
        .bind(column(receipts.iter().map(|receipt| &receipt.recipient)))
        .bind(column(receipts.iter().map(|receipt| &receipt.sender)))
        .bind(
            receipts
                .iter()
                .map(|receipt| receipt.amount_msat)
                .collect::<Vec<_>>(),
        )
        .bind(
            receipts
                .iter()
                .map(|receipt| receipt.target.as_ref().map(|target| &target.0[..]))
                .collect::<Vec<_>>(),
        )
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// What the touched payment hashes amount to now. One may stop counting: an earlier receipt of the same hash, to nobody we know, then stands
/// for it.
pub(super) async fn payments(transaction: &mut Transaction, deltas: &Deltas) -> Result<()> {
    let over = deltas
        .payments_seen
        .iter()
        .filter(|hash| !deltas.payments.contains_key(hash));
    let over = column(over);
    if !over.is_empty() {
        sqlx::query("delete from payments where payment_hash = any($1)")
            .bind(over)
            .execute(&mut **transaction)
            .await?;
    }
    let payments: Vec<&Payment> = deltas.payments.values().collect();
    if payments.is_empty() {
        return Ok(());
    }
    let job = |payment: &Payment| match payment.tie {
        Tie::Job { job, .. } => job.map(|job| job.0.to_vec()),
        Tie::Tip => None,
    };
    let kind = |payment: &Payment| match payment.tie {
        Tie::Job { kind, .. } => kind.map(i32::from),
        Tie::Tip => None,
    };
    sqlx::query(include_str!("../sql/upsert_payments.sql"))
        .bind(column(
            payments.iter().map(|payment| &payment.receipt.payment_hash),
        ))
        .bind(column(payments.iter().map(|payment| &payment.receipt.id)))
        .bind(
            payments
                .iter()
                .map(|payment| payment.receipt.created_at)
                .collect::<Vec<_>>(),
        )
        .bind(column(
            payments.iter().map(|payment| &payment.receipt.recipient),
        ))
        .bind(column(
            payments.iter().map(|payment| &payment.receipt.sender),
        ))
        .bind(
            payments
                .iter()
                .map(|payment| payment.receipt.amount_msat)
                .collect::<Vec<_>>(),
        )
        .bind(
            payments
                .iter()
                .map(|payment| payment.tie != Tie::Tip)
                .collect::<Vec<_>>(),
        )
        .bind(
            payments
                .iter()
                .map(|payment| job(payment))
                .collect::<Vec<_>>(),
        )
        .bind(
            payments
                .iter()
                .map(|payment| kind(payment))
                .collect::<Vec<_>>(),
        )
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
