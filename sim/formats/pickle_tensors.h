// What a pickle may ask for by name: tensors, their storages, ordered dictionaries; for the unpickler's .cpp files
// only.
#pragma once
#include "formats/pickle.h"
#include "formats/pickle_input.h"

namespace moesim::formats {

/// "module name", read from the pickle.  Throws ConfigError for any that plain data and tensors do not need.
std::string read_global(PickleInput& in);
bool is_ordered_dictionary(const Pickled& global);
bool is_tensor_maker(const Pickled& global);
/// The storage that an id names: ('storage', type, key, location, elements).  `in`: for messages.
Pickled storage_of(const Pickled& id, const PickleInput& in);
/// The tensor that arguments name: (storage, offset, size, stride, ...); it lies within its storage.
Pickled tensor_of(const std::vector<Pickled>& arguments, const PickleInput& in);
}  // namespace moesim::formats
