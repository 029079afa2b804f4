// The methods of quantisation that releases name, a reader each, and what the readers share.
#pragma once
#include <string>
#include <string_view>

#include "spec/release/quantisation.h"

namespace moesim::spec {

// q: the object that describes the quantisation; where: its file and key, for messages.
Quantisation read_modelopt(const Keys& q, const std::string& where);
/// DeepSeek's FP8; V4's experts are FP4, and a release may have given some layers another format since.
Quantisation read_fp8(const Keys& q, const Keys& text, const std::string& where, std::string_view type);
Quantisation read_compressed_tensors(const Keys& q, const std::string& where);
/// AWQ and GPTQ: integers in groups.  GPTQ stores an order of the input columns besides.
Quantisation read_grouped(const Keys& q, const std::string& method, const std::string& where);
Quantisation read_bitsandbytes(const Keys& q, const std::string& where);
Quantisation read_mx(const Keys& q, const std::string& method, const std::string& where);
Quantisation read_fbgemm(const Keys& q, const std::string& where);

/// Adds every module of a list to `out`; a key that is missing adds none.
void add_modules(const Keys& q, const char* key, ModulePatterns& out);
/// Throws ConfigError for a key that nobody read and that may change what weights take.
void refuse_unknown(const Keys& q, std::string_view method);
/// Every linear map in `format`; group: what must divide its input width, 0 for nothing.
QuantisedGroup group_of(WeightFormat format, std::int64_t group = 0);
}  // namespace moesim::spec
