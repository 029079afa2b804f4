// An open file that closes itself.
#pragma once
#include <unistd.h>

#include <utility>

#include "core/names.h"

namespace moesim::core {

/// Owns what open() gave; -1: nothing.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }

  int number() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }
  /// What close() returns: an error of earlier writes may come only now.
  int close() { return ::close(std::exchange(number_, -1)); }

 private:
  int number_ = -1;
};
}  // namespace moesim::core
