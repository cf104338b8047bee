//! Request bodies: counted while they arrive, bounded in size and time.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How much of a body past the limit is read and thrown away before the fault is sent. Most client stacks write the whole
/// request before they read: without this they see a broken pipe instead of the fault. Past it, reading stops.
const DRAIN: usize = 16 * 1024 * 1024;

/// First allocation for a body whose length is not declared.
const FIRST_ALLOCATION: usize = 8 * 1024;

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The connection broke, or the transfer coding is wrong.
    #[error("the body broke off")]
    Broken,
    /// It did not arrive in time.
    #[error("the body did not arrive in time")]
    Late,
    /// The bodies of all requests together take what there is for them.
    #[error("there is no room for the body")]
    NoRoom,
    /// It is longer than the limit.
    #[error("the body is longer than the limit")]
    TooLarge {
        /// Whether all of it was read, so that the connection can be used again.
        drained: bool,
    },
}

/// Memory for the bodies of all requests together, in KiB.
#[derive(Clone)]
pub struct Room(Arc<Semaphore>);

/// What one body holds of the [`Room`]; given back when it is dropped.
pub struct Held(Option<OwnedSemaphorePermit>);

impl Room {
    /// Room for so many MiB.
    pub fn new(mebibytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(mebibytes.saturating_mul(1_024).min(Semaphore::MAX_PERMITS))))
    }

    /// Takes room for `bytes` more.
    fn take(&self, held: &mut Held, bytes: usize) -> Result<(), BodyError> {
        let kibibytes = u32::try_from(bytes / 1_024 + 1).map_err(|_too_many| BodyError::NoRoom)?;
        let more = Arc::clone(&self.0)
            .try_acquire_many_owned(kibibytes)
            .map_err(|_full| BodyError::NoRoom)?;
        match &mut held.0 {
            Some(permit) => permit.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }
}

/// Reads a body of at most `limit` bytes within `timeout`, with what it holds of the room.
pub async fn read_body(
    payload: &mut Payload,
    limit: usize,
    timeout: Duration,
    room: &Room,
) -> Result<(Bytes, Held), BodyError> {
    let mut held = Held(None);
    let body = tokio::time::timeout(timeout, collect(payload, limit, room, &mut held))
        .await
        .map_err(|_elapsed| BodyError::Late)??;
    Ok((body, held))
}

async fn collect(
    payload: &mut Payload,
    limit: usize,
    room: &Room,
    held: &mut Held,
) -> Result<Bytes, BodyError> {
    let Some(first) = payload.next().await else { return Ok(Bytes::new()) };
    let first = first.map_err(|_broken| BodyError::Broken)?;
    room.take(held, first.len())?;
    let mut read = first.len();
    let mut whole = BytesMut::new();
    let mut only = Some(first);
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_broken| BodyError::Broken)?;
        read = read.saturating_add(chunk.len());
        if read > limit {
            // Nothing of it will be used: the memory goes back at once.
            (whole, only) = (BytesMut::new(), None);
            held.0 = None;
            if read > limit.saturating_add(DRAIN) {
                return Err(BodyError::TooLarge { drained: false });
            }
            continue;
        }
        room.take(held, chunk.len())?;
        if let Some(first) = only.take() {
            whole.reserve(FIRST_ALLOCATION.max(first.len() + chunk.len()));
            whole.extend_from_slice(&first);
        }
        whole.extend_from_slice(&chunk);
    }
    if read > limit {
        return Err(BodyError::TooLarge { drained: true });
    }
    Ok(only.unwrap_or_else(|| whole.freeze()))
}

/// A response that holds on to what was not read of its request.
///
/// actix reads on without end when a chunked payload is dropped before its end, and keeps the connection; while the
/// payload lives it says `Connection: close`, reads for the disconnect timeout at most, and ends the connection.
struct Unread {
    bytes: Bytes,
    _payload: Payload,
}

impl MessageBody for Unread {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.bytes.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        Pin::new(&mut self.bytes).poll_next(cx)
    }
}

/// Ends the connection after this response, unless its request was read to the end.
pub(super) fn close_unread(response: HttpResponse, payload: Payload) -> HttpResponse {
    response.map_body(|_head, body| match body.try_into_bytes() {
        Ok(bytes) => BoxBody::new(Unread { bytes, _payload: payload }),
        Err(body) => body,
    })
}
