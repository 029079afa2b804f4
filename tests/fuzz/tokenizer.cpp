// A tokenizer.json, and a text for it behind an empty line.
#include "numerics/tokens/tokenizer.h"
#include "fuzz/support/input.h"
#include "recording/record.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace moesim;
  const std::string_view input = fuzz::text_of(data, size);
  const std::size_t seam = std::min(input.find("\n\n"), input.size());
  const std::string file = fuzz::input_file("tokenizer.json", input.substr(0, seam));
  const std::string_view text = input.substr(std::min(input.size(), seam + 2));
  fuzz::taken([&] {
    numerics::Tokenizer tokenizer(file);
    for (const std::string_view one : {text, std::string_view("a 12\n\xc3\xa4 don't  <s>")})
      fuzz::taken([&] { (void)tokenizer.encode(one, "x"); });
  });
  for (const char* name : {"t.json", "t.jsonl", "t.npy", "t.safetensors"})
    fuzz::taken([&] { (void)recording::read_token_file(fuzz::input_file(name, input), 0); });
  return 0;
}
