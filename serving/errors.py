"""The root of the error tree, and the errors of served models. Each room adds its own below it.

TrialogueError
├── InvalidInput (ValueError)            the caller must act: the message gives rule, value and cure
│   ├── InvalidSpace, InvalidParameters, InvalidProblem, InvalidMeasurement, InvalidSpecification,
│   │   NotEstimated                                                                             evaluators/errors.py
│   └── StudyMismatch                                                                              agent/errors.py
├── ServingError                         the operator must act
│   ├── EndpointUnreachable, EndpointRefused, EndpointTimeout
│   └── ServerDidNotStart
├── ModelAnswerInvalid                   the model must act: the text goes back to it once             prompts/errors.py
├── EvaluationFailed                     nobody must act: the trial ends failed, the study goes on     evaluators/errors.py
└── StudyError                           StudyNotFound, StudyUnreadable, TrialNotFound, NoFeasibleTrial, SpaceExhausted,
                                         BudgetExhausted, DailyBudgetSpent, LedgerUnavailable, ResultConflict,
                                         ExecutorBroken                                            agent/errors.py
"""


class TrialogueError(Exception):
    """Root of every error this package raises on purpose."""


class InvalidInput(TrialogueError, ValueError):
    """The caller passed something that breaks a rule; the message says the rule, the value and the cure."""


class ServingError(TrialogueError):
    """A served model or its server cannot be used as configured; its operator must act."""


class EndpointUnreachable(ServingError):
    """Nothing answers at the endpoint's address."""


class EndpointRefused(ServingError):
    """The endpoint answered, but not with a completion (status, authentication, unknown model, limits)."""


class EndpointTimeout(ServingError):
    """The endpoint did not answer within the stated deadline."""


class ServerDidNotStart(ServingError):
    """A server process ended, or did not become ready, before its deadline."""
