//! Bounds from the command line: `--set max_term=3 --set victims=n0,n2`.

use model::system::System;
use protocol::NodeId;
use protocol::quorum::NodeSet;
use serde_json::Value;

/// Fields that are sets of servers.
const SETS: [&str; 5] = ["victims", "campaigners", "readers", "compactors", "contacts"];

/// Changes bounds by settings of the form `field=value`.
pub fn apply<S: System>(bounds: S::Bounds, settings: &[String]) -> Result<S::Bounds, String> {
    let mut value = serde_json::to_value(bounds).map_err(|error| error.to_string())?;
    let servers_of = |value: &Value| value["servers"].as_u64().unwrap_or(0) as usize;
    let mut servers = servers_of(&value);
    for setting in settings {
        let (field, text) = setting
            .split_once('=')
            .ok_or_else(|| format!("`{setting}` is no setting: write it as field=value"))?;
        let fields = value.as_object_mut().ok_or("bounds are a table of fields")?;
        let Some(old) = fields.get(field) else {
            let names: Vec<_> = fields.keys().map(String::as_str).collect();
            return Err(format!("there is no bound `{field}`; there are {}", names.join(", ")));
        };
        let new = if SETS.contains(&field) {
            serde_json::to_value(node_set(text, servers)?).map_err(|error| error.to_string())?
        } else if old.is_string() {
            Value::String(text.into())
        } else {
            serde_json::from_str(text).map_err(|_| format!("`{text}` is no value for `{field}`"))?
        };
        fields.insert(field.into(), new);
        let whole: Result<S::Bounds, _> = serde_json::from_value(value.clone());
        whole.map_err(|error| format!("`{setting}`: {error}"))?;
        servers = servers_of(&value);
    }
    let bounds = serde_json::from_value(value).map_err(|error| error.to_string())?;
    S::validate(&bounds)?;
    Ok(bounds)
}

fn node_set(text: &str, servers: usize) -> Result<NodeSet, String> {
    match text {
        "all" => return Ok(NodeSet::first(servers)),
        "none" | "" => return Ok(NodeSet::EMPTY),
        _ => {}
    }
    let one = |name: &str| {
        let number = name.strip_prefix('n').unwrap_or(name).parse::<u8>().ok();
        number.filter(|&number| usize::from(number) < servers).map(NodeId).ok_or_else(|| {
            format!("`{name}` is no server: write n0 to n{}, `all` or `none`", servers - 1)
        })
    };
    text.split(',').map(one).collect()
}
