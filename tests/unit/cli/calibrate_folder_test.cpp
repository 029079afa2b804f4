// `moesim calibrate FOLDER`: what the table, the JSON and the rows say of the same measurements.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "formats/json.h"
#include "support/command.h"
#include "support/temporary_folder.h"

namespace moesim::cli {
namespace {
/// Products that take half as long again as the equations in force say, in one library evenly and in the other not;
/// calls of collectives that nothing takes so long.
class CalibrateFolder : public testing::Test {
 protected:
  CalibrateFolder() {
    std::string products = "gpu,library,kernel,precision,m,n,k,time_us\n";
    for (int i = 1; i <= 20; ++i)
      for (const auto& [library, us] : {std::pair("even", 130.0 * i), {"odd", (i % 2 == 0 ? 130.0 : 150.0) * i}})
        products += fmt::format("h100,x,{},bfloat16,4096,{},8192,{}\n", library, 1024 * i, us);
    folder_.write("gemm_h100.csv", products);
    std::string calls = "gpu,library,collective,dtype,gpus,elements,time_us\n";
    for (int bits = 14; bits < 28; ++bits)
      calls += fmt::format("h100,x,alltoall,half,8,{},{}\n", std::int64_t{1} << bits, bits % 2 == 0 ? 90000 : 100000);
    folder_.write("nccl_h100.csv", calls);
    folder_.write("notes.csv", "a,b\n1,2\n");
  }
  std::string calibrated(std::vector<std::string> options) const {
    options.insert(options.begin(), {"calibrate", folder_.path().string()});
    return run_command(options);
  }
  static std::vector<std::string> words(const std::string& line) {
    std::istringstream in(line);
    return {std::istream_iterator<std::string>(in), {}};
  }
  static std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> out;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }
  static std::string per_cent(const formats::Json& share) { return fmt::format("{:.1f}%", share.get<double>() * 100); }
  TemporaryFolder folder_;
};

TEST_F(CalibrateFolder, EveryRowOfKernelsAndOfCallsIsPrintedOnce) {
  const std::vector<std::string> out = lines(calibrated({"--no-fit", "--rows"}));
  ASSERT_EQ(out.size(), 1U + 40 + 14);
  EXPECT_EQ(std::ranges::count_if(out, [](const std::string& l) { return l.starts_with("nccl "); }), 14);
  // As far off as the two times say.
  for (const std::string& line : out) {
    const std::vector<std::string> w = words(line);
    if (w[0] != "product") continue;
    EXPECT_NEAR(std::stod(w[6]), (std::stod(w[5]) / std::stod(w[4]) - 1) * 100, 0.06) << line;
  }
}

/// One line of the table for each entry of the JSON, with its shares in per cent.
TEST_F(CalibrateFolder, TheTableSaysWhatTheJsonDoes) {
  for (const char* fit : {"--no-fit", "--evaluations=40"}) {
    const std::vector<std::string> table = lines(calibrated({fit}));
    const formats::Json json = formats::Json::parse(calibrated({fit, "--json"}));
    ASSERT_GE(json.size(), 2U);
    EXPECT_EQ(table.back(), "not read: notes.csv");
    int held_out = 0;
    for (std::size_t i = 0; i < json.size(); ++i) {
      const std::string& line = table.at(i + 1);
      std::string end = fmt::format("{:>5} {:>7} {:>7} {:>7} {:>+7.1f}%", json[i].at("rows").get<int>(),
                                    per_cent(json[i].at("median")), per_cent(json[i].at("p90")),
                                    per_cent(json[i].at("worst")), json[i].at("bias").get<double>() * 100);
      if (json[i].contains("held_out_median") && ++held_out > 0)
        end +=
            fmt::format("  {:>7} {:>7}", per_cent(json[i].at("held_out_median")), per_cent(json[i].at("held_out_p90")));
      EXPECT_TRUE(line.ends_with(end)) << line << "\n" << end;
    }
    EXPECT_EQ(held_out >= 2, fit != std::string("--no-fit")) << "some of each kind";
  }
}

// A fit without a fifth of the rows of an even library meets that fifth, which the equations in force miss by a
// quarter; each class is held to its own rows.
TEST_F(CalibrateFolder, WhatIsHeldOutIsPredictedByAFitToTheRest) {
  const formats::Json before = formats::Json::parse(calibrated({"--no-fit", "--json"})),
                      after = formats::Json::parse(calibrated({"--json"}));
  const auto of = [](const formats::Json& json, const std::string& library, const std::string& value) {
    for (const formats::Json& c : json)
      if (c.at("library") == library && c.at("group") == (library == "x" ? "all" : "weights from HBM"))
        return c.at(value).get<double>();
    throw std::logic_error("no " + library);
  };
  EXPECT_GT(of(before, "even", "median"), 0.2);
  EXPECT_LT(of(after, "even", "held_out_median"), 0.15);
  EXPECT_NE(of(after, "even", "held_out_median"), of(after, "odd", "held_out_median"));
  EXPECT_GT(of(before, "x", "median"), 0.9);
  EXPECT_LT(of(after, "x", "held_out_median"), 0.2);
}

// 8 states of 64 heads of 128 x 128 numbers are 34 MB: less than the L2 cache.
TEST(CalibrateNewerModels, AreHeldToWhatIsInForceAndNotFitted) {
  TemporaryFolder folder;
  folder.write("gdn_x.csv",
               "gpu,library,kernel,phase,batch,seq,k_heads,v_heads,k_dim,v_dim,time_us\n"
               "h100,vllm 1,chunk_x,prefill,4,1024,16,64,128,128,300\n"
               "h100,vllm 1,fused_x,decode,8,1,16,64,128,128,20\n");
  folder.write("megamoe_x.csv", "a\n1\n");
  const std::string path = folder.path().string();
  const std::string left =
                        "left out: 1 row of gdn_x.csv: states that stay in the L2 cache from one replay to the next\n",
                    unread = "not read: megamoe_x.csv: nothing here costs experts and their exchange as one kernel\n";
  const std::string table = run_command({"calibrate", path, "--no-fit"});
  EXPECT_TRUE(table.ends_with(left + unread)) << table;
  EXPECT_NE(table.find("\ngdn scan "), std::string::npos) << table;
  const formats::Json json = formats::Json::parse(run_command({"calibrate", path, "--no-fit", "--json"}));
  ASSERT_EQ(json.size(), 1U);
  EXPECT_EQ(json[0].at("kind"), "gdn scan");
  EXPECT_EQ(json[0].at("group"), "prefill");
  EXPECT_EQ(json[0].at("rows"), 1);
  const std::string fit = run_command({"calibrate", path});
  EXPECT_NE(fit.find("\nnothing to fit: gdn scan ("), std::string::npos) << fit;
  EXPECT_EQ(fit.find("\ngdn scan "), std::string::npos) << fit;
}
}  // namespace
}  // namespace moesim::cli
