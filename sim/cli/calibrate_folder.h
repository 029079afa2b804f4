// moesim calibrate FOLDER: rows of measured kernels against the calibrations in force, or a fit to them.
#pragma once
#include <cstdint>
#include <string>

namespace moesim::cli {
struct FolderRequest {
  std::string folder;
  std::string gpu;  // rows of this GPU only; "" for all
  std::string out;  // the fitted entry, "" for none; needs a gpu
  bool fit = true, json = false;
  std::uint64_t seed = 1;
  int evaluations = 400;
  bool rows = false;  // every row by the calibrations in force, instead of the classes
};
/// Prints the residuals.  Throws ConfigError for a folder without tables and for rows that cannot be.
void calibrate_folder(const FolderRequest& request);
}  // namespace moesim::cli
