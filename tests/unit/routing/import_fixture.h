// Files in a folder of their own, imported; what the trace then holds.
#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "routing/importers/import.h"
#include "routing/trace.h"
#include "support/temporary_folder.h"

namespace moesim::routing {

class Import : public ::testing::Test {
 protected:
  TemporaryFolder folder;
  std::string out = folder.file("out.db");

  Trace run(const std::vector<std::string>& files, ImportOptions options = {}) const {
    std::filesystem::remove(out);
    options.output = out;
    import_trace(files, options);
    return Trace(out);
  }
  static std::vector<int> choices(const Trace& t, int ordinal) {
    std::vector<std::int16_t> ids;
    t.read_experts(ordinal, 0, t.tokens(), ids);
    return {ids.begin(), ids.end()};
  }
  static bool notes_mention(const Trace& t, const std::string& word) {
    for (const std::string& n : t.header().notes)
      if (n.find(word) != std::string::npos) return true;
    return false;
  }
  static std::vector<std::int64_t> load(const Trace& t, int ordinal) {
    std::vector<std::int64_t> l(std::size_t(t.header().experts));
    t.load(ordinal, 0, t.tokens(), l);
    return l;
  }
};
}  // namespace moesim::routing
