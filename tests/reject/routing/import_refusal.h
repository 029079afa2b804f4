// A recording that is refused, and what the user is told.
#pragma once
#include <gtest/gtest.h>

#include "routing/importers/import.h"
#include "support/byte_builders.h"
#include "support/temporary_folder.h"

namespace moesim::routing {
using namespace bytes;

class ImportReject : public ::testing::Test {
 protected:
  TemporaryFolder folder;

  /// The message without the folder; checks that no output appeared.
  std::string refused(const std::string& name, const std::string& content, ImportOptions options = {}) const {
    const std::string file = folder.write(name, content);
    options.output = folder.file("out.db");
    std::string message = "no error";
    try {
      import_trace({file}, options);
    } catch (const ConfigError& e) {
      message = e.what();
    }
    std::filesystem::remove(file);
    for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
      EXPECT_FALSE(entry.path().filename().string().starts_with("out"))
          << entry.path() << " was left behind: " << message;
    std::filesystem::remove(options.output);
    EXPECT_EQ(message.find('\n'), std::string::npos);
    const std::string start = folder.path().string() + "/";
    return message.starts_with(start) ? message.substr(start.size()) : message;
  }
};

inline std::string stat_file(const std::string& count, const std::string& data) {
  return torch_file(dictionary({{"rank", integer(0)}, {"logical_count", count}}), {{"0", data}});
}
inline const std::vector<std::int32_t> kCounts = {0, 0, 0, 1, 2, 3};
}  // namespace moesim::routing
