// `moesim calibrate FOLDER` of folders that hold nothing to calibrate, and options that contradict each other.
#include <gtest/gtest.h>

#include <string>

#include "support/program.h"

namespace moesim::cli {
namespace {
const std::string kColumns = "gpu,library,kernel,precision,m,n,k,time_us\n";

class CalibrateReject : public testing::Test {
 protected:
  /// What is said of the folder "tables" here, on one line.
  std::string refusal(const std::string& options) const {
    const Printed printed = moesim_prints("calibrate tables " + options, folder);
    EXPECT_EQ(printed.exit_code, 2) << options << "\n" << printed.out;
    EXPECT_EQ(printed.out, "") << options;
    return printed.err;
  }
  void write(const std::string& name, const std::string& text) {
    std::filesystem::create_directory(folder.path() / "tables");
    folder.write("tables/" + name, text);
  }
  TemporaryFolder folder;
};

TEST_F(CalibrateReject, AFolderWithoutRows) {
  EXPECT_EQ(refusal("--no-fit"), "tables: No such file or directory\n");
  write("mine.csv", kColumns + "h100,x,y,bfloat16,1,64,64,9\n");
  EXPECT_EQ(refusal("--no-fit"), "tables: no file holds rows of kernels; not read: mine.csv\n");
  write("gemm.csv", kColumns);
  EXPECT_EQ(refusal("--no-fit"), "tables/gemm.csv:1: no row follows the header\n");
  write("gemm.csv", kColumns + "h100,x,y,bfloat16,1,64,64,9\n");
  EXPECT_EQ(refusal("--no-fit --gpu b200"), "tables: no file holds rows of kernels on b200; not read: mine.csv\n");
  EXPECT_EQ(moesim_prints("calibrate tables --no-fit", folder).exit_code, 0);
}

TEST_F(CalibrateReject, OptionsThatContradict) {
  write("gemm.csv", kColumns + "h100,x,y,bfloat16,1,64,64,9\n");
  EXPECT_EQ(refusal("--rows"), "--rows of a folder are those of --no-fit\n");
  EXPECT_EQ(refusal("--no-fit --rows --json"), "--rows of a folder are a table: leave out --json\n");
  EXPECT_EQ(refusal("--no-fit -o mine.yaml"), "--output takes a fit: leave out --no-fit\n");
}

TEST_F(CalibrateReject, AFitOfNothing) {
  write("gdn_x.csv",
        "gpu,library,kernel,phase,batch,seq,k_heads,v_heads,k_dim,v_dim,time_us\n"
        "h100,vllm 1,chunk_x,prefill,4,1024,16,64,128,128,300\n");
  EXPECT_EQ(refusal("-o mine.yaml"), "tables: no rows of kernels that are fitted, so none for --output\n");
  write("gdn_x.csv", "gpu,library\nh100,vllm\n");
  EXPECT_EQ(refusal("--no-fit"), "tables/gdn_x.csv:1: missing column \"kernel\"; there are: gpu, library\n");
}
}  // namespace
}  // namespace moesim::cli
