-- What the server signs with and derives from. Private halves are AES-256-GCM under the server secret:
-- nonce, ciphertext, tag; the id is authenticated with them.

create table signing_keys (
    id             text primary key,                 -- `kid` (RFC 7517 §4.5)
    algorithm      text not null,                    -- `alg` (RFC 7518 §3.1, RFC 8037)
    public_jwk     jsonb not null,
    private_sealed bytea not null,
    created_at     timestamptz not null,
    signs_from     timestamptz not null,             -- published before, so that every verifier has fetched it by then
    verifies_until timestamptz,                      -- null while it is, or is to become, the key that signs
    revoked_at     timestamptz                       -- leaked: nothing signed with it counts any more
);

create table token_keys (
    id         smallint primary key,                 -- the number that a derived token carries
    sealed     bytea not null,
    created_at timestamptz not null
);

-- JWTs that others signed and that count once (RFC 7519 §4.1.7). A row lives as long as its JWT could be sent again.
create table used_jwt_ids (
    id_hash    bytea primary key,                    -- SHA-256 of what it is for, who signed it, and its `jti`
    expires_at timestamptz not null
);
create index used_jwt_ids_expires_at_idx on used_jwt_ids (expires_at);
