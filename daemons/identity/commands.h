#pragma once
// The subcommands of pilvi-identity.
#include <vector>

#include "service/service.h"

namespace pilvi::identity {

// bootstrap; fernet-setup, fernet-rotate; jws-setup, jws-rotate; credential-setup, credential-migrate, credential-rotate; token-flush.
// The running daemon notices a changed repository by itself.
std::vector<Subcommand> commands();

}  // namespace pilvi::identity
