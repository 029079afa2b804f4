// Moves KV caches between GPUs: what a service asks of a network.
#pragma once
#include "core/engine.h"
#include "core/units.h"

namespace moesim::serving {

/// GPUs are numbered over the whole deployment.
class KvMover {
 public:
  virtual ~KvMover() = default;
  /// slowed: how many times the bytes the links work for it, since they carry exchanges too.
  virtual void move(int from_gpu, int to_gpu, Bytes bytes, double slowed, Action done) = 0;
  /// Bytes that cross beside what is moved, evenly between these moments: counted only.
  virtual void count(int /*from_gpu*/, int /*to_gpu*/, Bytes, Time /*from*/, Time /*until*/) {}
  /// The same between a GPU and instances that are not simulated.
  virtual void count_outside(int /*gpu*/, bool /*out*/, Bytes, Time /*from*/, Time /*until*/) {}
  /// The GPU's adapter works at a share of its rate from now on.
  virtual void slow(int /*gpu*/, double /*share*/) {}
};
}  // namespace moesim::serving
