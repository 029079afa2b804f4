#include "routing/trace_layout.h"

#include <algorithm>
#include <cstring>

namespace moesim::routing::trace_layout {
namespace {
template <class T, class Member>
std::byte* pack_column(std::span<const TraceToken> tokens, Member TraceToken::*member, std::byte* out) {
  for (const TraceToken& t : tokens) {
    const T v = T(t.*member);
    std::memcpy(out, &v, sizeof v);
    out += sizeof v;
  }
  return out;
}
template <class T, class Member>
const std::byte* unpack_column(const std::byte* in, std::span<TraceToken> tokens, Member TraceToken::*member) {
  for (TraceToken& t : tokens) {
    T v;
    std::memcpy(&v, in, sizeof v);
    t.*member = Member(v);
    in += sizeof v;
  }
  return in;
}
}  // namespace

std::vector<std::byte> pack_tokens(std::span<const TraceToken> tokens) {
  std::vector<std::byte> bytes(tokens.size() * kTokenBytes);
  std::byte* at = pack_column<std::int32_t>(tokens, &TraceToken::pass, bytes.data());
  at = pack_column<std::int32_t>(tokens, &TraceToken::request, at);
  at = pack_column<std::int32_t>(tokens, &TraceToken::position, at);
  at = pack_column<std::int32_t>(tokens, &TraceToken::token, at);
  at = pack_column<std::uint8_t>(tokens, &TraceToken::phase, at);
  pack_column<std::uint8_t>(tokens, &TraceToken::domain, at);
  return bytes;
}

void unpack_tokens(std::span<const std::byte> bytes, std::span<TraceToken> out) {
  const std::byte* at = unpack_column<std::int32_t>(bytes.data(), out, &TraceToken::pass);
  at = unpack_column<std::int32_t>(at, out, &TraceToken::request);
  at = unpack_column<std::int32_t>(at, out, &TraceToken::position);
  at = unpack_column<std::int32_t>(at, out, &TraceToken::token);
  at = unpack_column<std::uint8_t>(at, out, &TraceToken::phase);
  unpack_column<std::uint8_t>(at, out, &TraceToken::domain);
}

int id_width(int experts, std::span<const std::int16_t> ids) {
  if (experts > 256) return 2;
  return experts < 256 || std::find(ids.begin(), ids.end(), std::int16_t{-1}) == ids.end() ? 1 : 2;
}

std::vector<std::byte> pack_ids(std::span<const std::int16_t> ids, int width) {
  std::vector<std::byte> bytes(ids.size() * std::size_t(width));
  if (width == 2)
    std::memcpy(bytes.data(), ids.data(), bytes.size());
  else
    std::transform(ids.begin(), ids.end(), bytes.begin(), [](std::int16_t id) { return std::byte(id & 0xff); });
  return bytes;
}

void unpack_ids(std::span<const std::byte> bytes, int width, std::span<std::int16_t> out) {
  if (width == 2)
    std::memcpy(out.data(), bytes.data(), out.size() * 2);
  else
    std::transform(bytes.begin(), bytes.begin() + std::ptrdiff_t(out.size()), out.begin(),
                   [](std::byte b) { return std::int16_t(b); });
}
}  // namespace moesim::routing::trace_layout
