// How a trace lies in its SQLite file; only the writer and the reader include this.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "routing/trace.h"

namespace moesim::routing::trace_layout {

static_assert(std::endian::native == std::endian::little, "blobs hold little-endian integers as they lie in memory");

inline constexpr int kVersion = 1;
/// Tokens of a block.  A window's load reads the running counts at its two ends and at most one block at each.
inline constexpr std::int64_t kBlock = 1024;

/// trace(key, value): the header's fields, `version`, `program` (that wrote the file; read by people alone), `tokens`,
/// `passes`, `state` (complete or incomplete).
/// trace_tokens: one row a block; six columns pass, request, position, token (int32), phase, domain (uint8), one after
/// the other.  trace_experts: row id = block * layers + ordinal; ids (tokens, top_k) of `width` bytes, absent = all
/// ones (a block with absent choices is 2 wide if 255 is an expert); weights float32 or NULL.
/// trace_load: the same row ids and one block more; counts uint32 (experts): tokens per expert before that block.
inline constexpr const char* kSchema = R"(
CREATE TABLE trace(key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE trace_layer(ordinal INTEGER PRIMARY KEY, layer INTEGER NOT NULL);
CREATE TABLE trace_domain(domain INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE trace_note(note INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE trace_tokens(block INTEGER PRIMARY KEY, tokens INTEGER NOT NULL, columns BLOB NOT NULL);
CREATE TABLE trace_experts(id INTEGER PRIMARY KEY, width INTEGER NOT NULL, ids BLOB NOT NULL, weights BLOB);
CREATE TABLE trace_load(id INTEGER PRIMARY KEY, counts BLOB NOT NULL);
)";

/// Bytes of one token's columns.
inline constexpr std::size_t kTokenBytes = 4 * 4 + 2;
std::vector<std::byte> pack_tokens(std::span<const TraceToken> tokens);
/// bytes: tokens * kTokenBytes.
void unpack_tokens(std::span<const std::byte> bytes, std::span<TraceToken> out);

/// 1 or 2: the fewest bytes an id of this block needs.
int id_width(int experts, std::span<const std::int16_t> ids);
std::vector<std::byte> pack_ids(std::span<const std::int16_t> ids, int width);
/// bytes: out.size() * width.
void unpack_ids(std::span<const std::byte> bytes, int width, std::span<std::int16_t> out);
}  // namespace moesim::routing::trace_layout
