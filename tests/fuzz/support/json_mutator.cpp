// The mutator of fuzzers that read JSON.
#include "fuzz/support/mutate.h"

using namespace moesim::fuzz;

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  return mutate_tree(data, size, most, seed, Form::json);
}
extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* a, std::size_t a_size, const std::uint8_t* b,
                                                 std::size_t b_size, std::uint8_t* out, std::size_t most,
                                                 unsigned seed) {
  return cross_trees(a, a_size, b, b_size, out, most, seed, Form::json);
}
