// Dumps of SGLang's recorder, one a rank: each rank counts once, and those that are missing are named.
#include <fmt/format.h>

#include "support/byte_builders.h"
#include "support/refusal.h"
#include "unit/routing/import_fixture.h"

namespace moesim::routing {
namespace {
using namespace bytes;

/// One rank's per_token dump: a pass of two tokens of one layer and four experts.  rank -1: the records do not say.
std::string per_token(int rank, int pass = 0) {
  std::vector<std::pair<std::string, std::string>> record = {
      {"forward_pass_id", integer(pass)}, {"input_ids", integers({5, 6})},
      {"positions", integers({0, 1})},    {"extend_seq_lens", integers({2})},
      {"forward_mode", integer(1)},       {"topk_ids_of_layer", tensor("IntStorage", "i", 4, {1, 2, 2}, {4, 2, 1})}};
  if (rank >= 0) record.emplace_back("rank", integer(rank));
  return torch_file(dictionary({{"records", list({dictionary(record)})},
                                {"last_physical_to_logical_map", tensor("LongStorage", "m", 4, {1, 4}, {4, 1})}}),
                    {{"i", raw<std::int32_t>({3, 1, 0, 2})}, {"m", raw<std::int64_t>({0, 1, 2, 3})}});
}

class ImportRanks : public Import {
 protected:
  std::string write(const std::string& name, const std::string& bytes) const {
    std::filesystem::create_directories(std::filesystem::path(folder.file(name)).parent_path());
    return folder.write(name, bytes);
  }
  std::string refused(const std::vector<std::string>& files) const {
    std::string said = test::refusal_of([&] { run(files); });
    for (std::size_t at; (at = said.find(folder.path().string() + "/")) != std::string::npos;)
      said.erase(at, folder.path().string().size() + 1);
    return said;
  }
};

TEST_F(ImportRanks, ARankGivenTwiceIsRefused) {
  const std::string a = write("a_0.pt", per_token(0)), copy = write("copy.pt", per_token(0));
  EXPECT_EQ(refused({a, a}), "a_0.pt: is given twice");
  EXPECT_EQ(refused({a, copy}),
            "copy.pt: holds pass 0 of rank 0, as a_0.pt does; give each rank of one recording once");
  // Where the records do not say whose they are, the names do.
  EXPECT_EQ(refused({write("x/b_1.pt", per_token(-1)), write("y/b_1.pt", per_token(-1))}),
            "y/b_1.pt: holds pass 0 of rank 1, as x/b_1.pt does; give each rank of one recording once");
  // A second part of the same recording is none.
  EXPECT_EQ(run({a, write("later_0.pt", per_token(0, 1))}).tokens(), 4);
}

TEST_F(ImportRanks, MissingRanksAreNamed) {
  const std::string a = write("a_0.pt", per_token(0)), c = write("a_2.pt", per_token(2));
  EXPECT_TRUE(notes_mention(run({a, c}), "these are the tokens of ranks 0, 2 alone: rank 1 is not given"));
  // Files beside those given tell of ranks above them; other recordings, and names that are times, do not.
  write("a_3.pt", per_token(3));
  write("b_7.pt", per_token(7));
  write("a_1731974400.5.pt", per_token(0));
  EXPECT_TRUE(notes_mention(run({a, c}), "these are the tokens of ranks 0, 2 alone: ranks 1, 3 are not given"));
  EXPECT_TRUE(notes_mention(run({a}), "of rank 0 alone"));
  EXPECT_TRUE(notes_mention(run({a}), "ranks 2, 3 are not given"));
  const Trace all = run({a, write("a_1.pt", per_token(1)), c, folder.file("a_3.pt")});
  EXPECT_EQ(all.tokens(), 8);
  EXPECT_FALSE(notes_mention(all, "alone"));
}
}  // namespace
}  // namespace moesim::routing
