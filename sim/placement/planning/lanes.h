// Four numbers at once, for searches that weigh every step on several windows.
#pragma once

namespace moesim::placement {

/// One number for each of four windows.  Element by element, in the same order on every machine.
struct Lanes {
  typedef float Four __attribute__((vector_size(16)));
  Four v = {};

  static Lanes all(float x) { return Lanes{Four{x, x, x, x}}; }
  float operator[](int i) const { return v[i]; }
  void set(int i, float x) { v[i] = x; }
  float sum() const { return (v[0] + v[1]) + (v[2] + v[3]); }

  Lanes& operator+=(Lanes b) { return v += b.v, *this; }
  Lanes& operator-=(Lanes b) { return v -= b.v, *this; }
  Lanes& operator*=(Lanes b) { return v *= b.v, *this; }
  friend Lanes operator+(Lanes a, Lanes b) { return a += b; }
  friend Lanes operator-(Lanes a, Lanes b) { return a -= b; }
  friend Lanes operator*(Lanes a, Lanes b) { return a *= b; }
  friend Lanes operator*(Lanes a, float x) { return a *= all(x); }
};
constexpr int kLanes = 4;
}  // namespace moesim::placement
