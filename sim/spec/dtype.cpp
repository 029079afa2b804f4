#include "spec/dtype.h"

#include "core/ceil_div.h"

namespace moesim::spec {

int element_bits(Dtype dtype) {
  switch (dtype) {
    case Dtype::fp32:
      return 32;
    case Dtype::bf16:
    case Dtype::fp16:
      return 16;
    case Dtype::fp8:
    case Dtype::int8:
      return 8;
    case Dtype::fp4:
    case Dtype::nvfp4:
    case Dtype::int4:
    case Dtype::int4_g32:
      return 4;
  }
  return 16;
}

std::int64_t matrix_bytes(std::int64_t rows, std::int64_t columns, Dtype dtype) {
  switch (dtype) {
    case Dtype::fp32:
      return rows * columns * 4;
    case Dtype::bf16:
    case Dtype::fp16:
      return rows * columns * 2;
    case Dtype::fp8:
      return rows * columns + 4 * ceil_div(rows, 128) * ceil_div(columns, 128);
    case Dtype::fp4:
      return rows * ceil_div(columns, 32) * 17;  // 16 bytes of 32 numbers and their scale
    case Dtype::nvfp4:
      return rows * ceil_div(columns, 16) * 9;  // 8 and 1; the FP32 scale of the whole is left out
    case Dtype::int8:
      return rows * (columns + 2);
    case Dtype::int4:
      return rows * ceil_div(columns, 128) * 66;
    case Dtype::int4_g32:
      return rows * ceil_div(columns, 32) * 18;
  }
  return 0;
}
}  // namespace moesim::spec
