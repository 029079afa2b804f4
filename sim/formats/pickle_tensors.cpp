#include "formats/pickle_tensors.h"

#include <algorithm>

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

/// The last element must lie among the storage's; step by step, so that nothing overflows.
void check_extent(const Pickled& tensor, std::int64_t elements, const PickleInput& in) {
  if (std::ranges::count(tensor.shape, 0) > 0) return;  // none
  std::int64_t last = tensor.integer;
  const std::int64_t room = elements - 1;
  for (std::size_t d = 0; d < tensor.shape.size(); ++d) {
    const std::int64_t steps = tensor.shape[d] - 1, stride = tensor.strides[d];
    if (stride > 0 && steps > (room - last) / stride)
      last = room + 1;
    else
      last += steps * stride;
    if (stride == 0 && steps > 0) in.fail("a tensor repeats its elements");
    if (last > room) in.fail(fmt::format("a tensor reaches past the {} elements of its storage", elements));
  }
}
}  // namespace

std::string read_global(PickleInput& in) {
  const std::string module = in.line(), out = fmt::format("{} {}", module, in.line());
  const bool known = out == kRebuild || out == kOrdered ||
                     std::ranges::any_of(kStorages, [&](const auto& storage) { return storage.first == out; });
  if (!known) in.fail(fmt::format("the pickle asks for \"{}\", which plain data and tensors do not need", out));
  return out;
}

bool is_ordered_dictionary(const Pickled& global) { return global.text == kOrdered; }
bool is_tensor_maker(const Pickled& global) { return global.text == kRebuild; }

Pickled storage_of(const Pickled& id, const PickleInput& in) {
  if (id.kind != Kind::tuple || id.items->size() != 5) in.fail("expected a storage of five parts");
  const std::vector<Pickled>& part = *id.items;
  const auto type = std::ranges::find(kStorages, part[1].text, [](const auto& storage) { return storage.first; });
  if (part[0].kind != Kind::text || part[0].text != "storage" || part[1].kind != Kind::global ||
      type == std::end(kStorages) || part[2].kind != Kind::text || part[4].kind != Kind::integer || part[4].integer < 0)
    in.fail("expected a storage: its type, key, location and number of elements");
  Pickled out;
  out.kind = Kind::storage;
  out.integer = part[4].integer;
  out.type = type->second;
  out.text = part[2].text;
  return out;
}

Pickled tensor_of(const std::vector<Pickled>& part, const PickleInput& in) {
  if (part[0].kind != Kind::storage || part[1].kind != Kind::integer || part[1].integer < 0)
    in.fail("expected a tensor's storage and offset");
  Pickled out = part[0];
  out.kind = Kind::tensor;
  out.integer = part[1].integer;
  out.shape = sizes(part[2], in);
  out.strides = sizes(part[3], in);
  if (out.shape.size() != out.strides.size()) in.fail("a tensor has as many strides as sizes");
  check_extent(out, part[0].integer, in);
  return out;
}
}  // namespace moesim::formats
