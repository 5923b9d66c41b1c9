#pragma once
// How a call fails.
#include <optional>

#include "base/error.h"

namespace pilvi::testing {

// The code of the Error that `call` throws; nullopt where it throws none. Other exceptions go on.
template <class F>
std::optional<Errc> code_of(F&& call) {
    try {
        call();
    } catch (const Error& error) {
        return error.code();
    }
    return std::nullopt;
}

}  // namespace pilvi::testing
