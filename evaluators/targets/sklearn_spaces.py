"""Search spaces of scikit-learn models: sensible ranges, the library's defaults, one sentence on each parameter.

Names and values are scikit-learn's own, so that a configuration can be passed on as it is. Knows nothing of data
sets. Ranges are ours: wide enough to hold the defaults and what the user guide advises. Defaults are the library's;
where those depend on the data (``gamma="scale"``, ``max_features="sqrt"``) they are worked out for standardized
features.
"""

from collections.abc import Callable

from ..spaces.parameters import Categorical, Float, Int
from ..spaces.space import SearchSpace


def svm(regression: bool, n_features: int) -> SearchSpace:
    """Return the space of SVC or SVR."""
    kernels = ["poly", "rbf", "sigmoid"]
    extra = [Float("epsilon", 1e-3, 100, log=True, default=0.1, description="width of the tube without loss")]
    return SearchSpace(
        [
            Categorical(
                "kernel", ["rbf", "linear", "poly", "sigmoid"], default="rbf", description="kernel function"
            ),
            Float("C", 1e-3, 1e3, log=True, default=1.0, description="inverse regularisation strength"),
            Float(
                "gamma",
                1e-5,
                10,
                log=True,
                default=1 / n_features,
                when={"kernel": kernels},
                description="kernel coefficient",
            ),
            Int("degree", 2, 5, default=3, when={"kernel": "poly"}, description="degree of the polynomial"),
            Float(
                "coef0",
                0,
                5,
                default=0.0,
                when={"kernel": ["poly", "sigmoid"]},
                description="constant of the kernel",
            ),
            *(extra if regression else []),
        ]
    )


def gradient_boosting(regression: bool, n_features: int) -> SearchSpace:
    """Return the space of HistGradientBoostingClassifier or -Regressor."""
    return SearchSpace(
        [
            Float("learning_rate", 0.01, 1, log=True, default=0.1, description="shrinkage of each tree"),
            Int(
                "max_iter",
                10,
                200,
                log=True,
                default=100,
                unit="trees",
                description="number of boosting rounds",
            ),
            Int("max_leaf_nodes", 4, 128, log=True, default=31, description="leaves of each tree"),
            Int("min_samples_leaf", 1, 100, log=True, default=20, description="least samples in a leaf"),
            Float("l2_regularization", 0, 10, default=0.0, description="L2 penalty on leaf values"),
            Float("max_features", 0.1, 1, default=1.0, description="share of features tried at each split"),
        ]
    )


def random_forest(regression: bool, n_features: int) -> SearchSpace:
    """Return the space of RandomForestClassifier or -Regressor."""
    criteria = ["squared_error", "poisson"] if regression else ["gini", "entropy"]
    default = 1.0 if regression else n_features**-0.5
    share = Float("max_features", 0.05, 1, default=default, description="share of features per split")
    return SearchSpace(
        [
            Int("n_estimators", 10, 200, log=True, default=100, unit="trees", description="number of trees"),
            Categorical("criterion", criteria, default=criteria[0], description="quality of a split"),
            share,
            Int("max_depth", 2, 50, log=True, default=50, description="greatest depth of a tree"),
            Int("min_samples_split", 2, 64, log=True, default=2, description="least samples to split a node"),
            Int("min_samples_leaf", 1, 32, log=True, default=1, description="least samples in a leaf"),
            Categorical(
                "bootstrap", [True, False], default=True, description="draw samples with replacement"
            ),
        ]
    )


def decision_tree(regression: bool, n_features: int) -> SearchSpace:
    """Return the space of DecisionTreeClassifier or -Regressor."""
    criteria = ["squared_error", "poisson"] if regression else ["gini", "entropy"]
    return SearchSpace(
        [
            Categorical("criterion", criteria, default=criteria[0], description="quality of a split"),
            Int("max_depth", 1, 50, log=True, default=50, description="greatest depth"),
            Int("min_samples_split", 2, 64, log=True, default=2, description="least samples to split a node"),
            Int("min_samples_leaf", 1, 32, log=True, default=1, description="least samples in a leaf"),
            Float("max_features", 0.1, 1, default=1.0, description="share of features tried at each split"),
        ]
    )


def mlp(regression: bool, n_features: int) -> SearchSpace:
    """Return the space of MLPClassifier or -Regressor, at most 100 epochs."""
    return SearchSpace(
        [
            Int("depth", 1, 3, default=1, unit="layers", description="hidden layers"),
            Int(
                "width", 8, 256, log=True, default=100, unit="units", description="units in each hidden layer"
            ),
            Categorical(
                "activation", ["relu", "tanh", "logistic"], default="relu", description="activation function"
            ),
            Categorical("solver", ["adam", "sgd", "lbfgs"], default="adam", description="optimizer"),
            Float("alpha", 1e-7, 1, log=True, default=1e-4, description="L2 penalty"),
            Float(
                "learning_rate_init",
                1e-5,
                0.1,
                log=True,
                default=1e-3,
                when={"solver": ["adam", "sgd"]},
                description="step size",
            ),
            Int(
                "batch_size",
                8,
                512,
                log=True,
                default=200,
                when={"solver": ["adam", "sgd"]},
                unit="samples",
                description="size of minibatches",
            ),
            Float("momentum", 0, 0.99, default=0.9, when={"solver": "sgd"}, description="momentum"),
        ]
    )


def knn(regression: bool, n_features: int) -> SearchSpace:
    """Return the space of KNeighborsClassifier or -Regressor."""
    return SearchSpace(
        [
            Int("n_neighbors", 1, 50, log=True, default=5, description="number of neighbours"),
            Categorical(
                "weights", ["uniform", "distance"], default="uniform", description="weight of a neighbour"
            ),
            Categorical(
                "metric", ["minkowski", "chebyshev", "cosine"], default="minkowski", description="distance"
            ),
            Float(
                "p",
                1,
                5,
                default=2.0,
                when={"metric": "minkowski"},
                description="power of the Minkowski distance",
            ),
        ]
    )


SPACES: dict[str, Callable[[bool, int], SearchSpace]] = {
    "svm": svm,
    "random_forest": random_forest,
    "gradient_boosting": gradient_boosting,
    "decision_tree": decision_tree,
    "mlp": mlp,
    "knn": knn,
}
"""The space of each model, given whether it is for regression, and the number of features."""
