"""HXP-Enterprise LLM Server Modular Architecture Library"""
