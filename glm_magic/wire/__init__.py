"""Wire formats as pure code: request bodies out, bytes and events in, deltas out.

No I/O, no clock, no HTTP library. `sse` frames bytes into events, `openai` and
`chatglm` turn the events of each family into deltas; the other modules are
what these share.
"""
