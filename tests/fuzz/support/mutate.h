// Mutations that keep a text what it is: YAML stays YAML with other keys and values, a table a table.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "fuzz/support/tree.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace moesim::fuzz {

/// A fuzzer's draws; small and fast, its quality does not matter.
class Draw {
 public:
  explicit Draw(unsigned seed) : state_(seed * 0x9E3779B97F4A7C15ULL + 1) {}
  std::size_t below(std::size_t n) {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return n == 0 ? 0 : std::size_t(state_ >> 33) % n;
  }

 private:
  std::uint64_t state_;
};

/// A value that is often wrong: 0, -1, the largest, of another type or unit.
std::string telling_value(Draw& draw);
/// A word that some key of ours is called, or may be.
const std::string& known_word(Draw& draw);
/// `text` with some bytes changed as libFuzzer does, at most `most` long.
std::string mutated_bytes(std::string text, std::size_t most);

/// The bodies of LLVMFuzzerCustomMutator and LLVMFuzzerCustomCrossOver.  Now and then, and for what cannot be parsed,
/// bytes are mutated instead.
std::size_t mutate_tree(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed, Form form);
std::size_t cross_trees(const std::uint8_t* a, std::size_t a_size, const std::uint8_t* b, std::size_t b_size,
                        std::uint8_t* out, std::size_t most, unsigned seed, Form form);
std::size_t mutate_table(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed);
}  // namespace moesim::fuzz
