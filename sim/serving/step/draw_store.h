// What expert banks of several deployments need not find out twice.  No figure depends on who shares it.
#pragma once
#include <compare>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace moesim::serving {

/// A list of numbers by 128 bits of it: two lists share them with a chance of 2^-128 a pair.
struct NumbersKey {
  std::uint64_t a = 0, b = 0;
  auto operator<=>(const NumbersKey&) const = default;
};
/// begun: of numbers before these.
NumbersKey key_of(std::span<const double> numbers, NumbersKey begun = {});

/// Draws of routing, from any thread: told by their random stream and by the shares they were drawn from, whoever has
/// the experts.
class DrawStore {
 public:
  struct Key {
    std::uint64_t seed = 0, stream = 0;
    int layer = 0;
    double rows = 0;
    NumbersKey expected;
    auto operator<=>(const Key&) const = default;
  };
  /// Replaces the expected shares by those drawn; false if they are not known.
  bool find(const Key& key, std::vector<double>& shares) const;
  void add(const Key& key, const std::vector<double>& drawn);

 private:
  mutable std::mutex mutex_;
  std::map<Key, std::vector<double>> draws_;
};

/// Times of the experts' products on the GPUs of a group, from any thread: told by the rows of each slot and by how the
/// group computes them (ExpertBank).  For groups with the same kernels only: of one model and engine on one kind of
/// GPU.
class ProductStore {
 public:
  struct Products {
    std::vector<float> seconds;  // of each GPU
    double above = 0;            // ExpertTimes::above
  };
  std::optional<Products> find(const NumbersKey& asked) const;
  void add(const NumbersKey& asked, Products products);

 private:
  mutable std::mutex mutex_;
  std::map<NumbersKey, Products> products_;
};

/// The stores of a deployment's pools; they must outlive it.
struct SharedDraws {
  DrawStore* draws = nullptr;                     // null: none
  std::map<std::string, ProductStore*> products;  // by pool; none for those that are not there
};
}  // namespace moesim::serving
