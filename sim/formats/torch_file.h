// Reads .pt files as torch.save writes them: a ZIP with a pickle and raw storages.
#pragma once
#include "formats/pickle.h"
#include "formats/zip.h"

namespace moesim::formats {

class TorchFile {
 public:
  /// Throws ConfigError naming file and byte for a damaged ZIP, a pickle with anything but plain data and tensors,
  /// big-endian storages.
  explicit TorchFile(const std::string& file);
  const Pickled& root() const { return pickle_.root; }
  const std::string& name() const { return zip_.file()->name(); }
  /// What all its storages hold, unpacked.
  std::uint64_t bytes() const;
  /// A tensor's numbers, read when asked for.  Throws ConfigError if the value is not a tensor or its storage is not
  /// there or shorter than it says; `what` names the value.
  ArraySource array(const Pickled* value, const std::string& what) const;

 private:
  ZipFile zip_;
  std::string folder_;  // entries are FOLDER/data.pkl, FOLDER/data/KEY
  Unpickled pickle_;
  /// Storages that were deflated, each unpacked once: tensors may share one.  The ZIP file bounds them all together.
  mutable std::map<std::string, std::shared_ptr<const std::string>> unpacked_;
};
}  // namespace moesim::formats
