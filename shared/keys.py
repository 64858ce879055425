"""The whole Redis schema.

Every key of a conversation carries the hash tag ``{org:conversation}``, so that one script may touch them all on a
cluster and sharded pub/sub reaches the same node.

c:{o:c}:log          stream   id `<index>-0`, field `b`: the event's body
c:{o:c}:head         hash     index, epoch, run, first (index of the run's first event), mode
c:{o:c}:inputs       hash     inputId -> body of its input.requested event
c:{o:c}:run:<runId>  hash     attempt (the fence), seq, keep, ended, cancel; of `decision-<proposalId>-<status>`, seq
c:{o:c}              channel  `<epoch> <first index>\\n<body>\\n<body>…`, or `!cancel <runId>`
s:{servers}          hash     server or worker id -> JSON record with a time stamp; fresh for 10 s
r:{revoked}:<kind>:<id>  string  tokens issued until this time (Unix s) are void; kind: session, user, org
r:{revoked}:log      stream   kind, id, at: what servers poll to cut open sockets; 1,000 entries
p:{<probe id>}       string   what came of a trial somebody waits for, JSON; 60 s
limit:<bucket>…      string   a window of a rate limit (the library's own form); 60 s

The first four expire together, a retention after the conversation's last event; the `r:` keys with the longest token.
The queue's keys belong to docket, under the name ``DOCKET``.
"""

from __future__ import annotations

SERVERS = "s:{servers}"
REVOCATIONS = "r:{revoked}:log"
DOCKET = "caddie-runs"


def conversation_key(org_id: int, conversation_id: str) -> str:
    """What every key of a conversation is built from; conversation ids are `[A-Za-z0-9_.:-]{1,128}`."""
    return f"{org_id}:{conversation_id}"


def log(conversation: str) -> str:
    return f"c:{{{conversation}}}:log"


def head(conversation: str) -> str:
    return f"c:{{{conversation}}}:head"


def inputs(conversation: str) -> str:
    return f"c:{{{conversation}}}:inputs"


def run(conversation: str, run_id: str) -> str:
    return f"c:{{{conversation}}}:run:{run_id}"


def channel(conversation: str) -> str:
    return f"c:{{{conversation}}}"


def revoked(kind: str, identifier: str | int) -> str:
    return f"r:{{revoked}}:{kind}:{identifier}"


def probe(probe_id: str) -> str:
    return f"p:{{{probe_id}}}"
