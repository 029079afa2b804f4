// What the user is told about a table of rows that cannot be.
#pragma once
#include <string>

#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::test {

/// The message that read(file) throws for a file of this name and text, with the name in place of its path.
template <class Read>
std::string table_refusal(const TemporaryFolder& folder, const std::string& name, const std::string& text, Read read) {
  const std::string file = folder.file(name);
  put_file(file, text);
  std::string out = refusal_of([&] { (void)read(file); });
  for (std::size_t at; (at = out.find(file)) != std::string::npos;) out.replace(at, file.size(), name);
  return out;
}
}  // namespace moesim::test
