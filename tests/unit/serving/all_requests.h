// All requests of a workload, and files for them.
#pragma once
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "serving/traces/workloads.h"

namespace moesim::serving {
inline std::string write(const std::string& name, const std::string& text) {
  const std::string file = testing::TempDir() + name;
  std::ofstream(file, std::ios::binary) << text;
  return file;
}
inline std::vector<Request> all(const std::string& yaml, WorkloadContext context = {.seed = 1}) {
  auto source = workloads().make(Config::from_text(yaml, "test.yaml"), context);
  std::vector<Request> out;
  while (auto request = source->next()) out.push_back(std::move(*request));
  return out;
}
}  // namespace moesim::serving
