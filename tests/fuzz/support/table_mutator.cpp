// The mutator of fuzzers that read tables of cells with commas between them.
#include "fuzz/support/mutate.h"

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  return moesim::fuzz::mutate_table(data, size, most, seed);
}
