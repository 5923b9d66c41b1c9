#pragma once
// Ends what daemons that died have left: their uploads, their imports, and removals that did not come through. At the start, and from time to time for the
// other daemons on the same database.
#include <condition_variable>
#include <mutex>
#include <thread>

#include "image.h"

namespace pilvi::image {

// One round. Data that is in no row stays: a restored database knows nothing of what came later.
void recover(Store& store, const App& app);

// A thread that goes on with it.
class Keeper {
public:
    Keeper(Store& store, const App& app);  // both live longer
    ~Keeper();

private:
    void run();
    Store& store_;
    const App& app_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool ending_ = false;
    std::thread thread_;
};

}  // namespace pilvi::image
