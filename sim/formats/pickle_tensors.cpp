#include "formats/pickle_tensors.h"

#include <algorithm>

#include "formats/checked.h"

namespace moesim::formats {
namespace {
using Kind = Pickled::Kind;

constexpr std::pair<std::string_view, ElementType> kStorages[] = {
    {"torch ByteStorage", ElementType::u8},   {"torch CharStorage", ElementType::i8},
    {"torch BoolStorage", ElementType::u8},   {"torch ShortStorage", ElementType::i16},
    {"torch IntStorage", ElementType::i32},   {"torch LongStorage", ElementType::i64},
    {"torch HalfStorage", ElementType::f16},  {"torch BFloat16Storage", ElementType::bf16},
    {"torch FloatStorage", ElementType::f32}, {"torch DoubleStorage", ElementType::f64}};
constexpr std::string_view kRebuild = "torch._utils _rebuild_tensor_v2", kOrdered = "collections OrderedDict";

std::vector<std::int64_t> sizes(const Pickled& tuple, const PickleInput& in) {
  std::vector<std::int64_t> out;
  if (tuple.kind != Kind::tuple || tuple.items->size() > 8) in.fail("expected a tensor's sizes");
  for (const Pickled& v : *tuple.items) {
    if (v.kind != Kind::integer || v.integer < 0) in.fail("expected a tensor's sizes");
    out.push_back(v.integer);
  }
  return out;
}

/// The last element must lie among the storage's, and none stand for two: a small storage would be as large as one
/// likes.
void check_extent(const Pickled::Extent& e, std::int64_t offset, const PickleInput& in) {
  const std::uint64_t count = elements_of(e.shape), room = std::uint64_t(e.elements);
  if (count == 0) {
    if (!sizes_fit(e.shape)) in.fail("a tensor's sizes are too large");
    return;
  }
  std::uint64_t last = std::uint64_t(offset);
  for (std::size_t d = 0; d < e.shape.size(); ++d)
    last = sum_of(last, product_of(std::uint64_t(e.shape[d] - 1), std::uint64_t(e.strides[d])));
  for (std::size_t d = 0; d < e.shape.size(); ++d)
    if (e.strides[d] == 0 && e.shape[d] > 1) in.fail("a tensor repeats its elements");
  if (last >= room) in.fail(fmt::format("a tensor reaches past the {} elements of its storage", e.elements));
  if (count > room) in.fail("a tensor repeats its elements");
}
}  // namespace

std::string read_global(PickleInput& in) {
  const std::string module = in.line(), out = fmt::format("{} {}", module, in.line());
  const bool known = out == kRebuild || out == kOrdered ||
                     std::ranges::any_of(kStorages, [&](const auto& storage) { return storage.first == out; });
  if (!known) in.fail(fmt::format("the pickle asks for \"{}\", which plain data and tensors do not need", out));
  return out;
}

bool is_ordered_dictionary(const Pickled& global) { return global.text() == kOrdered; }
bool is_tensor_maker(const Pickled& global) { return global.text() == kRebuild; }

Pickled storage_of(const Pickled& id, const PickleInput& in) {
  if (id.kind != Kind::tuple || id.items->size() != 5) in.fail("expected a storage of five parts");
  const std::vector<Pickled>& part = *id.items;
  const auto type = std::ranges::find(kStorages, part[1].text(), [](const auto& storage) { return storage.first; });
  if (part[0].kind != Kind::text || part[0].text() != "storage" || part[1].kind != Kind::global ||
      type == std::end(kStorages) || part[2].kind != Kind::text || part[4].kind != Kind::integer || part[4].integer < 0)
    in.fail("expected a storage: its type, key, location and number of elements");
  Pickled out;
  out.kind = Kind::storage;
  out.integer = part[4].integer;
  out.type = type->second;
  out.words = part[2].words;
  return out;
}

Pickled tensor_of(const std::vector<Pickled>& part, const PickleInput& in) {
  if (part[0].kind != Kind::storage || part[1].kind != Kind::integer || part[1].integer < 0)
    in.fail("expected a tensor's storage and offset");
  Pickled out = part[0];
  out.kind = Kind::tensor;
  out.integer = part[1].integer;
  Pickled::Extent extent{part[0].integer, sizes(part[2], in), sizes(part[3], in)};
  if (extent.shape.size() != extent.strides.size()) in.fail("a tensor has as many strides as sizes");
  check_extent(extent, out.integer, in);
  out.extent = std::make_shared<const Pickled::Extent>(std::move(extent));
  return out;
}
}  // namespace moesim::formats
