// In which number formats a GPU has kernels for matrix products, and how fast they are.
#pragma once
#include "spec/hardware.h"
#include "spec/model.h"

namespace moesim::spec {

/// Tensor peak in a format, data sheet; 0 if the GPU lacks it.
FlopRate peak_of(const Gpu& gpu, Dtype dtype);
bool computes_in(const Gpu& gpu, Dtype dtype);
}  // namespace moesim::spec
