// Tables of measured kernels, collectives and exchanges: the input under each name that such a table may have.
#include <filesystem>

#include "compute/fitting/tables.h"
#include "fuzz/support/input.h"
#include "network/fitting/tables.h"

namespace moesim::fuzz {
namespace {
/// The one input under another name.
std::string named(const std::string& name) {
  const std::string link = folder() + "/" + name;
  std::filesystem::create_symlink(folder() + "/x", link);
  return link;
}

struct Names {
  std::vector<std::string> kernels, network;
  Names() {
    for (const char* name : {"gemm",
                             "attention_prefill",
                             "attention_decode",
                             "mla_decode_core",
                             "mla_prefill_core",
                             "moe_layer",
                             "moe_fp4",
                             "moe_mxfp4",
                             "moe_wideep_nvfp4",
                             "wideep_expert_decode",
                             "wideep_expert_prefill",
                             "wideep_mla_decode",
                             "wideep_mla_prefill",
                             "h100_expert_gemm_decode",
                             "h100_mla_prefill",
                             "quantize_fp8",
                             "dsa_decode",
                             "v4_prefill",
                             "msa_decode",
                             "mla_module",
                             "gdn",
                             "kda",
                             "mamba2",
                             "sparse_kernels",
                             "mhc",
                             "encoder_attention"})
      kernels.push_back(named(name + std::string("_x.csv")));
    for (const std::string& name : network::network_table_names()) network.push_back(named(name + "_x.csv"));
  }
};
}  // namespace
}  // namespace moesim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace moesim;
  static const fuzz::Names names;
  fuzz::input_file("x", fuzz::text_of(data, size));
  for (const std::string& file : names.kernels)
    fuzz::taken([&] {
      for (const compute::Measurement& row : compute::read_kernel_table(file).rows)
        fuzz::hold(row.seconds > 0, "a kernel that takes no time");
    });
  for (const std::string& file : names.network)
    fuzz::taken([&] {
      for (const network::NetworkRow& row : network::read_network_table(file))
        fuzz::hold(row.seconds > 0, "a call that takes no time");
    });
  return 0;
}
