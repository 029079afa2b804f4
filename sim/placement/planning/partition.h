// Splits the vertices of a weighted graph over bins so that heavy edges stay inside and bins are evenly loaded.
#pragma once
#include <boost/graph/adjacency_matrix.hpp>
#include <vector>

namespace moesim::placement {

/// Vertices are copies of experts, edge weights say how often two are used together.
using UseGraph =
    boost::adjacency_matrix<boost::undirectedS, boost::no_property, boost::property<boost::edge_weight_t, double>>;

struct PartitionProblem {
  std::vector<double> weight;  // (vertices) load
  std::vector<int> room;       // (parts) most vertices
  std::vector<double> speed;   // (parts) load a part can carry, relative
  std::vector<int> expert;     // (vertices): vertices of one expert repel each other
  std::vector<std::vector<double>>
      attraction;           // (vertices, parts): weight of edges to vertices already placed; or empty
  double tolerance = 0.05;  // a part may carry this much more than its share
};

/// The part of each vertex.  Heaviest vertex first, to the part where its edges lead among those that keep within the
/// tolerance; then swaps of two vertices while one keeps more edge weight inside (Kernighan and Lin's gain) and neither
/// part gets above its share plus tolerance, or above where it was.  Ties by lower index.
std::vector<int> partition(const UseGraph& graph, const PartitionProblem& problem);
}  // namespace moesim::placement
