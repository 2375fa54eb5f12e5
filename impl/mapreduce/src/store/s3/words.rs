//! What to tell people of an error, and what to do about it.

use std::error::Error as _;

use object_store::Error as S3Error;

use crate::error::Error;

/// An error with all that it rests on. One whose text has that of its cause says nothing twice.
fn whole(error: &S3Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}

/// What stands between two others.
fn between<'a>(text: &'a str, front: &str, end: &str) -> Option<&'a str> {
    text.split_once(front)?.1.split_once(end).map(|(inner, _)| inner)
}

/// What an error means, for whoever asked something of a bucket.
pub(super) fn of(bucket: &str, error: &S3Error) -> String {
    let text = whole(error);
    let code = between(&text, "<Code>", "</Code>");
    let endpoint = || {
        let set = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
        let set = set.into_iter().find_map(|name| Some((name, std::env::var(name).ok()?)));
        set.map_or_else(
            || "Amazon S3 (AWS_ENDPOINT_URL is not set)".to_owned(),
            |(name, url)| format!("{url} ({name})"),
        )
    };
    match (error, code) {
        (_, Some("NoSuchBucket")) => {
            format!("there is no bucket {bucket} at {}: make it, or correct its name", endpoint())
        }
        (S3Error::NotFound { .. }, _) => "it is not there".to_owned(),
        (error, code) if is_refused(error, code) => format!(
            "the store refuses these credentials ({}): correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
             or let them read and write there",
            code.unwrap_or("it says no more"),
        ),
        _ if text.contains("169.254.169.254") || text.contains("169.254.170.2") => {
            "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned()
        }
        _ if text.contains("invalid peer certificate") => format!(
            "the certificate of {} is not trusted: correct AWS_ENDPOINT_URL, or let SSL_CERT_FILE name the file with \
             its authority's",
            endpoint(),
        ),
        _ if text.contains("error sending request") || text.contains("tcp connect") => format!(
            "no answer from {}: correct AWS_ENDPOINT_URL, or see that the store runs and can be reached ({})",
            endpoint(),
            reason(&text),
        ),
        (_, Some(code)) => {
            let more = between(&text, "<Message>", "</Message>").unwrap_or("it says no more");
            format!("the store says {code} ({more})")
        }
        _ => text,
    }
}

/// Whether who asks is not let in. Some stores say so otherwise than Amazon's does.
fn is_refused(error: &S3Error, code: Option<&str>) -> bool {
    let codes = [
        "AccessDenied",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "NotSignedUp",
        "SignatureDoesNotMatch",
    ];
    matches!(error, S3Error::PermissionDenied { .. } | S3Error::Unauthenticated { .. })
        || code.is_some_and(|code| codes.contains(&code))
}

/// Whether a range was asked for that lies behind an object's end.
pub(super) fn is_beyond_end(error: &S3Error) -> bool {
    let text = whole(error);
    text.contains("InvalidRange") || text.contains("416 Range Not Satisfiable")
}

/// The last and plainest part of what went wrong with a connection.
fn reason(text: &str) -> &str {
    let text = text.rsplit(": ").next().unwrap_or(text);
    text.trim()
}

/// What an error of the environment means.
pub(super) fn of_environment(bucket: &str, error: &S3Error) -> String {
    format!(
        "the environment does not say how to reach the bucket {bucket}: {}. Look at the variables AWS_…",
        whole(error)
    )
}

/// Whether the store may be reached as the environment says.
pub(super) fn check_scheme(bucket: &str) -> Result<(), Error> {
    let set = |name: &str| std::env::var(name).unwrap_or_default();
    let plain = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
    let plain = plain.into_iter().find(|name| set(name).starts_with("http://"));
    let allowed = ["true", "1", "yes", "on", "y", "t"];
    let allowed = allowed.contains(&set("AWS_ALLOW_HTTP").to_ascii_lowercase().as_str());
    match plain {
        Some(name) if !allowed => Err(Error::Usage(format!(
            "the bucket {bucket} would be reached without encryption ({name} begins with http://): \
             set AWS_ALLOW_HTTP=true if that is meant"
        ))),
        _ => Ok(()),
    }
}
