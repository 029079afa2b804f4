// Where the data of an installed moesim lie: beside the program or the Python module, wherever the prefix was moved to.
#pragma once
#include <string>
#include <string_view>

#include "core/names.h"

namespace moesim::core {

/// PREFIX/share/moesim where `file` is PREFIX/FOLDER/NAME and FOLDER one of those that things are installed to
/// ("bin", "lib/python3/dist-packages/moesim"), and there are data; else "".
std::string data_beside(const std::string& file);

/// That of what runs: this program, or the library that this code was loaded with.  "" where it is not installed.
const std::string& installed_data();

/// The folder in which Python finds the module that belongs to this program, installed or in its build; "" where there
/// is none.
std::string python_folder();
}  // namespace moesim::core
