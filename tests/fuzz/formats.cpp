// Arrays and tensors: .npy, .npz, torch.save's, safetensors, GGUF, and base64.  Whatever is there is read.
#include "core/utf8.h"
#include "formats/base64.h"
#include "formats/gguf.h"
#include "formats/npy.h"
#include "formats/safetensors.h"
#include "formats/torch_file.h"
#include "formats/zip.h"
#include "fuzz/support/input.h"

namespace moesim::fuzz {
namespace {
using namespace formats;

void use(const ArraySource& array) {
  if (array.shape.empty() || array.elements() == 0 || array.elements() > 100'000) return;
  taken([&] {
    std::vector<double> out;
    array.read_reals(0, array.shape[0], out);
    hold(std::int64_t(out.size()) == array.elements(), "another number of reals");
  });
  taken([&] {
    std::vector<std::int32_t> out;
    if (is_integer(array.type)) array.read_integers(0, array.shape[0], out);
  });
  taken([&] {
    std::vector<std::int64_t> out;
    if (is_integer(array.type)) array.read_integers(array.shape[0] - 1, 1, out);
  });
}

void use(const TorchFile& file, const Pickled& value, int depth) {
  if (value.kind == Pickled::Kind::tensor)
    taken([&] { use(file.array(&value, "x")); });
  else if (value.items && depth < 5)
    for (const Pickled& item : *value.items) use(file, item, depth + 1);
}

void read_all(const std::string& file, std::string_view bytes) {
  taken([&] { use(npy_array(file)); });
  taken([&] { use(npy_array(std::make_shared<const std::string>(bytes), "x")); });
  taken([&] {
    for (const auto& [name, array] : read_gguf(file).tensors) use(array);
  });
  taken([&] {
    const SafetensorsFile tensors(file);
    tensors.check_whole();
    for (const auto& [name, tensor] : tensors.tensors()) taken([&] { use(array_of(tensor, name)); });
  });
  taken([&] {
    const ZipFile zip(std::make_shared<const ByteFile>(file));
    for (const auto& [name, entry] : zip.entries()) taken([&] { (void)zip.read(name, 1 << 24); });
  });
  taken([&] {
    const TorchFile torch(file);
    use(torch, torch.root(), 0);
  });
  taken([&] { (void)base64(bytes, "x"); });
  taken([&] { (void)unpickle(bytes, "x", 0, bytes.size()); });
}
}  // namespace
}  // namespace moesim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = moesim::fuzz::text_of(data, size);
  moesim::fuzz::read_all(moesim::fuzz::input_file("x", bytes), bytes);
  return 0;
}
