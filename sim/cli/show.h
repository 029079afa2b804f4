// What `moesim show` prints, one function a kind of thing, as text or JSON.
#pragma once
#include <string>
#include <vector>

#include "spec/count.h"
#include "spec/hardware.h"
#include "spec/release/release.h"

namespace moesim::cli {

struct ShowOptions {
  std::int64_t context = 4096;                  // tokens of one user's cache; length of a training sequence
  std::vector<std::int64_t> contexts = {4096};  // of releases, several; the first is `context`
  spec::CacheFormat format = spec::CacheFormat::bf16;
  int batch = 1;  // tokens of one decode step
  std::string gpu = "h800";
  std::string draw;          // a cluster's network as dot or svg instead of text
  bool collectives = false;  // what they take on a cluster instead
  bool json = false;
};

/// Each returns text that ends with a newline.
std::string show_model(const spec::Model& model, const ShowOptions& options);
std::string show_models(const std::vector<spec::Model>& models, const ShowOptions& options);
/// What config.json files describe, whether it can be run or not.
std::string show_releases(const std::vector<spec::Release>& releases, const ShowOptions& options);
std::string show_claims(bool json);
std::string show_gpu(const spec::Gpu& gpu, bool json);
std::string show_node(const spec::Node& node, bool json);
std::string show_fabric(const spec::Fabric& fabric, bool json);
std::string show_cluster(const spec::Cluster& cluster, bool json);
/// What each algorithm takes inside a node and on all nodes, in closed form, by bytes.
std::string show_collectives(const spec::Cluster& cluster, bool json);
}  // namespace moesim::cli
